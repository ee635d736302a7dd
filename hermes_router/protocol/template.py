"""The messages between the gateway's side and what starts workers for it, one per packet.

A template forks workers, and the first process of a sandbox starts workers and templates inside it.
The packets travel over a socket pair, the descriptors of a worker's pipe and log with the request,
and one of the new process (a pidfd) with :class:`Forked`, for its pid is one of another namespace.
"""

from __future__ import annotations

import msgspec

from hermes_router.protocol.messages import Message

#: Bytes that one packet may have.
PACKET_BYTES = 64 * 1024

#: Set to 1 for a template whose workers start the profile's MCP servers before there is a message.
PREPARE_MCP = "HERMES_ROUTER_PREPARE_MCP"

#: Set to ``json`` where the worker log's lines are JSON objects; taken away before Hermes begins.
LOG_FORMAT = "HERMES_ROUTER_LOG_FORMAT"


class Fork(Message, frozen=True, kw_only=True, tag="fork"):
    """Fork a worker; three descriptors come along: its input, its output, its log.

    ``environment`` is what differs from the template's own, ``limits`` are as in
    :mod:`hermes_router.protocol.limits`.
    """

    worker_id: str
    environment: dict[str, str]
    grace: float
    limits: dict[str, float]


class Spawn(Message, frozen=True, kw_only=True, tag="spawn"):
    """Run a command in the sandbox; descriptors come along as with :class:`Fork`.

    A fourth one is the control socket of a template: its number is appended to the arguments.
    """

    worker_id: str
    arguments: list[str]
    environment: dict[str, str]
    cwd: str


class Prepared(Message, frozen=True, kw_only=True, tag="prepared"):
    """What was started is ready to start workers; ``phases`` are seconds per step."""

    phases: dict[str, float]


class Unfit(Message, frozen=True, kw_only=True, tag="unfit"):
    """Forking the template would not be safe, however often: it ends."""

    reason: str


class Forked(Message, frozen=True, kw_only=True, tag="forked"):
    """The worker's supervisor runs as ``pid``."""

    worker_id: str
    pid: int


class NotForked(Message, frozen=True, kw_only=True, tag="not_forked"):
    """Forking would not be safe, which ends a template, or the system refused."""

    worker_id: str
    reason: str


class Ended(Message, frozen=True, kw_only=True, tag="ended"):
    """A supervisor ended; the return code is as :mod:`subprocess` gives it."""

    pid: int
    returncode: int


FromTemplate = Prepared | Unfit | Forked | NotForked | Ended

_encoder = msgspec.msgpack.Encoder()
_from_template: msgspec.msgpack.Decoder[FromTemplate] = msgspec.msgpack.Decoder(FromTemplate)
_to_template: msgspec.msgpack.Decoder[Fork] = msgspec.msgpack.Decoder(Fork)
_to_keeper: msgspec.msgpack.Decoder[Spawn] = msgspec.msgpack.Decoder(Spawn)


def encode(message: Message) -> bytes:
    """Encode one message."""
    return _encoder.encode(message)


def decode_from_template(packet: bytes) -> FromTemplate:
    """Decode what a template sent; raises ``msgspec.MsgspecError`` on anything else."""
    return _from_template.decode(packet)


def decode_to_template(packet: bytes) -> Fork:
    """Decode a request; raises ``msgspec.MsgspecError`` on anything else."""
    return _to_template.decode(packet)


def decode_to_keeper(packet: bytes) -> Spawn:
    """Decode a request to a sandbox; raises ``msgspec.MsgspecError`` on anything else."""
    return _to_keeper.decode(packet)
