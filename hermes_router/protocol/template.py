"""The messages between the gateway and a process that starts workers for it, one in each packet.

A template forks workers. The first process of a sandbox starts workers and templates inside the
sandbox. The packets are sent over a socket pair. A request carries the descriptors of the worker's
pipes and log. :class:`Forked` carries a pidfd of the new process, because its pid may be one of
another namespace. When the gateway closes the socket, the other process ends. A template's workers
go on then; all that runs in a sandbox ends with it.
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

#: The number of the descriptor of the worker log, if that is not standard error. The supervisor
#: makes it standard error when it begins; Hermes does not get this variable.
LOG_DESCRIPTOR = "HERMES_ROUTER_LOG_DESCRIPTOR"


class Fork(Message, frozen=True, kw_only=True, tag="fork"):
    """The gateway asks a template to fork a worker; the answer must come within 10 seconds.

    The packet carries three descriptors: the worker's input, output and log. The template answers
    with :class:`Forked` or :class:`NotForked`, and later sends :class:`Ended`.

    Attributes:
        worker_id: the id of the new worker, which the answer repeats.
        environment: the variables that differ from the template's own, such as ``TMPDIR``.
        grace: seconds between SIGTERM and SIGKILL for the worker's process tree.
        limits: the limits that the supervisor enforces, by their names in
            :mod:`hermes_router.protocol.limits`; 0 or a missing name is no limit.
    """

    worker_id: str
    environment: dict[str, str]
    grace: float
    limits: dict[str, float]


class Spawn(Message, frozen=True, kw_only=True, tag="spawn"):
    """The gateway asks a sandbox's first process to start a worker or a template in the sandbox.

    The packet carries four descriptors, which the new process has as 0 to 3: its input, its output,
    what its standard error is at first, and the worker log. For a template the last one is the
    control socket. The answers are those to :class:`Fork`.

    Attributes:
        worker_id: the id of the new worker or template, which the answer repeats.
        arguments: the command line; it begins with the program's path. For a template it ends with
            ``--template 3``.
        environment: all variables of the new process.
        cwd: its working directory, a path in the sandbox.
    """

    worker_id: str
    arguments: list[str]
    environment: dict[str, str]
    cwd: str


class Prepared(Message, frozen=True, kw_only=True, tag="prepared"):
    """The template or sandbox can start workers now; its first packet, sent once.

    The gateway sends no request before it. It ends a template that has not sent it after 120
    seconds, and starts the profile's workers cold meanwhile.

    Attributes:
        phases: the seconds of each step of a template's start; empty for a sandbox. The gateway
            does not use them.
    """

    phases: dict[str, float]


class Unfit(Message, frozen=True, kw_only=True, tag="unfit"):
    """A template cannot fork safely, for example because a plugin has started a thread; it ends.

    It is sent in place of :class:`Prepared`. The gateway starts the profile's workers cold. It
    starts the next template after ``warm.max_age`` seconds, or when the profile's home has changed.

    Attributes:
        reason: what makes a fork unsafe, in words for people; the gateway logs it.
    """

    reason: str


class Forked(Message, frozen=True, kw_only=True, tag="forked"):
    """The answer to :class:`Fork` or :class:`Spawn`: the process was started.

    That process is the worker's supervisor, or a template. The packet carries a pidfd of it, by
    which the gateway sends signals and sees the end. Without a pidfd, for example on an old kernel,
    the gateway takes the process as ended.

    Attributes:
        worker_id: the id from the request.
        pid: the process id as the sender sees it. In a sandbox it is that of another namespace, so
            the gateway uses it only to recognise :class:`Ended`.
    """

    worker_id: str
    pid: int


class NotForked(Message, frozen=True, kw_only=True, tag="not_forked"):
    """The answer to :class:`Fork` or :class:`Spawn` if no process was started.

    A template sends it if a fork would not be safe, and ends. A sandbox sends it if the system
    refused to start the process, and goes on. In the gateway, the start of that worker fails.

    Attributes:
        worker_id: the id from the request.
        reason: why, in words for people.
    """

    worker_id: str
    reason: str


class Ended(Message, frozen=True, kw_only=True, tag="ended"):
    """A process that the sender started has ended: a worker's supervisor, or a template.

    The gateway waits for this at most 1 second after the end, and then takes the return code as
    unknown. The code also tells which limit ended a worker.

    Attributes:
        pid: the process id from :class:`Forked`.
        returncode: the exit status, or the negative number of the signal that ended the process.
    """

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
