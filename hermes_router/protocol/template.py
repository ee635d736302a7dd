"""The messages between the gateway and a process that starts workers for it, one in each packet.

A template forks workers. The first process of a sandbox starts workers and templates inside the
sandbox. The packets are sent over a socket pair. A request carries the descriptors of the worker's
pipes and log. :class:`Forked` carries a pidfd of the new process, because its pid may be one of
another namespace.
"""

from __future__ import annotations

import msgspec

from hermes_router.protocol.messages import Message

#: Maximum bytes of one packet.
PACKET_BYTES = 64 * 1024

#: If this is 1, a template's workers start the profile's MCP servers before there is a message.
PREPARE_MCP = "HERMES_ROUTER_PREPARE_MCP"

#: With ``json`` in this variable, the worker log's lines are JSON objects. Hermes does not get it.
LOG_FORMAT = "HERMES_ROUTER_LOG_FORMAT"


class Fork(Message, frozen=True, kw_only=True, tag="fork"):
    """Fork a worker. The packet carries three descriptors: the worker's input, output and log.

    Attributes:
        worker_id: the id of the new worker.
        environment: the variables that differ from the template's own.
        grace: seconds between SIGTERM and SIGKILL for the worker's process tree.
        limits: the limits that the supervisor enforces, see :mod:`hermes_router.protocol.limits`.
    """

    worker_id: str
    environment: dict[str, str]
    grace: float
    limits: dict[str, float]


class Spawn(Message, frozen=True, kw_only=True, tag="spawn"):
    """Run a command in the sandbox. The packet carries the same descriptors as :class:`Fork`.

    For a template it carries a fourth, the control socket. Its number is appended to the arguments.
    """

    worker_id: str
    arguments: list[str]
    environment: dict[str, str]
    cwd: str


class Prepared(Message, frozen=True, kw_only=True, tag="prepared"):
    """The process can start workers now; ``phases`` are the seconds of each step of its start."""

    phases: dict[str, float]


class Unfit(Message, frozen=True, kw_only=True, tag="unfit"):
    """The template cannot fork safely, and a new template could not either; this one ends."""

    reason: str


class Forked(Message, frozen=True, kw_only=True, tag="forked"):
    """The worker's supervisor was started and has the process id ``pid``."""

    worker_id: str
    pid: int


class NotForked(Message, frozen=True, kw_only=True, tag="not_forked"):
    """No worker was started. The system refused, or a fork is not safe; a template then ends."""

    worker_id: str
    reason: str


class Ended(Message, frozen=True, kw_only=True, tag="ended"):
    """A supervisor ended. The return code is as in :mod:`subprocess`: negative for a signal."""

    pid: int
    returncode: int


FromTemplate = Prepared | Unfit | Forked | NotForked | Ended

_encoder = msgspec.msgpack.Encoder()
_from_template: msgspec.msgpack.Decoder[FromTemplate] = msgspec.msgpack.Decoder(FromTemplate)
_to_template: msgspec.msgpack.Decoder[Fork] = msgspec.msgpack.Decoder(Fork)
_to_keeper: msgspec.msgpack.Decoder[Spawn] = msgspec.msgpack.Decoder(Spawn)


def encode(message: Message) -> bytes:
    """Return one message as msgpack bytes."""
    return _encoder.encode(message)


def decode_from_template(packet: bytes) -> FromTemplate:
    """Decode a template's message; raises ``msgspec.MsgspecError`` for any other bytes."""
    return _from_template.decode(packet)


def decode_to_template(packet: bytes) -> Fork:
    """Decode a request to a template; raises ``msgspec.MsgspecError`` for any other bytes."""
    return _to_template.decode(packet)


def decode_to_keeper(packet: bytes) -> Spawn:
    """Decode a request to a sandbox; raises ``msgspec.MsgspecError`` for any other bytes."""
    return _to_keeper.decode(packet)
