"""The messages that the gateway's side and a worker exchange.

Every message is one msgpack map with an ``op`` field that names it; how maps are framed on the
pipe is :mod:`hermes_router.protocol.framing`'s business. Each direction has one decoder, and it
refuses unknown ops and unknown fields: a peer of another version is found at the hello, not by a
field that was silently ignored.

The order of a worker's life::

    worker  -> hello, ready              (ready: built, holds nothing of any session yet)
    gateway -> start, [chunk ...] event  (the session and its first message)
    worker  -> accepted, handled         (or refused: offer that message to another worker)
    worker  -> call / [chunk ...] call   (adapter calls; each is answered by result)
    gateway -> [chunk ...] event         (messages that arrive meanwhile; again accepted/refused)
    worker  -> run_result                (what came of asking the model)
    worker  -> idle                      (reply delivered, state saved: the lane is free)
    worker  -> commands                  (if asked: the profile's commands, for the chat's menu)
    worker  -> call ...                  (post-turn work may still speak)
    worker  -> draining, end of stream   (accepts nothing any more, exits)

A call may show a prompt that a person answers by a click. The click arrives in the gateway, which
sends ``resolve`` with the number of that call; the worker answers ``resolved``. It says ``closed``
when nobody waits for the prompt any more.

``deliver`` and ``react`` may come whenever the worker is up: they name a conversation, which need
not be the worker's own, and are answered by ``result`` like a call.

A worker that is to do a job of its profile gets ``job`` in place of ``start``, and no event. It
says ``begun`` when the job counts as run, ``ended`` with what came of it, and then ``idle`` and
``draining`` as after a turn.

``progress`` says which events are done and which only wait in the worker: those are served by
another one if this one dies.

``heartbeat`` may come at any time, and ``background_work``: what would end with the worker. A
worker that owns background work says ``idle`` with ``resident`` set and takes further events of
its session until it says ``draining``.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

PROTOCOL_VERSION = 4

#: Bytes of payload that one :class:`Chunk` carries at the most.
CHUNK_BYTES = 256 * 1024


class Message(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="op", forbid_unknown_fields=True
):
    """What every message has: the ``op`` tag, taken from the class."""


class FileRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file whose bytes travelled ahead as chunks of ``stream``.

    ``name`` is a bare file name, never a path: where it is written is the receiver's choice.
    """

    stream: int
    name: str
    size: int


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A conversation that a worker may send to, with what people call it."""

    platform: str
    chat_id: str
    thread_id: str | None = None
    name: str = ""
    kind: str = ""


class DeliveredText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text sent by the gateway between two times; see :mod:`hermes_router.protocol.delivered`."""

    name: str
    since: float
    until: float


class DeliveryScope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worker is told about sending; the gateway decides again when something is sent.

    Attributes:
        platforms: those that the gateway is connected to.
        origin: the conversation that the worker's work comes from, if it comes from one.
        homes: the profile's home channel on each platform where it has one.
        places: the conversations that are known to be the profile's.
        anywhere: the profile may write to every place.
        tool: the model is to have a tool for it.
        settled: what was sent for workers that died before they could note it.
    """

    platforms: list[str] = []
    origin: Place | None = None
    homes: list[Place] = []
    places: list[Place] = []
    anywhere: bool = False
    tool: bool = False
    settled: list[DeliveredText] = []


class Sticker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sticker that the worker is to describe in words, in the message's text.

    ``mark`` stands in the text where the words belong, ``id`` is the same whoever sends it. The
    picture is the message's only file; there is none if it could not be fetched.
    """

    mark: str
    id: str
    emoji: str
    set_name: str


# -- both directions ---------------------------------------------------------------------------


class Chunk(Message, frozen=True, kw_only=True, tag="chunk"):
    """A piece of the file ``stream``; the message that refers to it follows the last one."""

    stream: int
    data: bytes


# -- worker to gateway -------------------------------------------------------------------------


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """The worker's first message: who it is and what it speaks."""

    protocol: int
    router: str
    hermes: str
    python: str
    pid: int
    profile: str


class Ready(Message, frozen=True, kw_only=True, tag="ready"):
    """The worker is built and waits for :class:`Start`; ``phases`` are seconds per start step."""

    phases: dict[str, float]


class Accepted(Message, frozen=True, kw_only=True, tag="accepted"):
    """Event ``event`` has been handed to Hermes; what follows is the worker's to finish."""

    event: int


class Handled(Message, frozen=True, kw_only=True, tag="handled"):
    """Hermes's adapter is through with event ``event``: a command is executed, a turn is begun.

    ``halted``: it interrupted the session's run for good, of which nothing may go on.
    """

    event: int
    halted: bool = False


class Refused(Message, frozen=True, kw_only=True, tag="refused"):
    """Event ``event`` came too late for this worker and was not touched."""

    event: int


class Call(Message, frozen=True, kw_only=True, tag="call"):
    """Call ``method`` of the platform's adapter with keyword arguments ``args``.

    ``args`` holds plain values; a local file stands as ``{"$file": FileRef as a map}``.
    ``answers``: it sends the end of an answer to the events up to this one; 0 where it does not.
    """

    id: int
    method: str
    args: dict[str, Any]
    answers: int = 0


class Deliver(Message, frozen=True, kw_only=True, tag="deliver"):
    """Send something to the place ``platform``, ``chat_id``, ``thread_id``.

    ``files`` follow the text; those at the indexes ``voice`` are voice messages. With
    ``as_documents`` pictures and films are not re-encoded. The value of the :class:`Result` is what
    Hermes's own send engine returns: a map with ``success``, or with ``error``.
    """

    id: int
    platform: str
    chat_id: str
    thread_id: str | None = None
    text: str = ""
    files: list[FileRef] = []
    voice: list[int] = []
    as_documents: bool = False


class React(Message, frozen=True, kw_only=True, tag="react"):
    """Put ``emoji`` on a message, or take the reaction away where there is none.

    Without ``message_id`` it is the conversation's last message. Answered like :class:`Deliver`.
    """

    id: int
    platform: str
    chat_id: str
    thread_id: str | None = None
    message_id: str | None = None
    emoji: str | None = None


class Idle(Message, frozen=True, kw_only=True, tag="idle"):
    """The reply is delivered and the session's state saved.

    ``resident`` means that work of this session (say, a background process) lives in this worker,
    which therefore takes the session's next events itself. With ``cut_off`` there may be no reply:
    :class:`Finish` interrupted the turn, and Hermes goes on with it when the session is served
    next.
    """

    resident: bool = False
    cut_off: bool = False


class Progress(Message, frozen=True, kw_only=True, tag="progress"):
    """Where the worker stands in the session's events, which it works on in their order.

    Each event before ``done`` has been worked on to its end. Those in ``waiting`` wait in the
    worker's memory and are not begun.
    """

    done: int
    waiting: list[int] = []


class BackgroundWork(Message, frozen=True, kw_only=True, tag="background_work"):
    """What lives in the worker now and would end with it, in words for people.

    It replaces what the worker said before.
    """

    works: list[str]


class NextWakeup(Message, frozen=True, kw_only=True, tag="next_wakeup"):
    """When the session wants to be woken, in seconds since the epoch; None if it does not."""

    at: float | None


class Commands(Message, frozen=True, kw_only=True, tag="commands"):
    """The slash commands that the profile offers on the session's platform, with descriptions.

    ``of`` names what they were read from: the next :class:`Start` says it again as ``menu``.
    """

    of: str
    commands: list[tuple[str, str]]


class Draining(Message, frozen=True, kw_only=True, tag="draining"):
    """The worker accepts nothing any more; it finishes what it owes and exits."""


class Resolved(Message, frozen=True, kw_only=True, tag="resolved"):
    """What came of :class:`Resolve` ``id``: a text to show the person, nothing, or an error."""

    id: int
    value: str | None = None
    error: str | None = None


class Closed(Message, frozen=True, kw_only=True, tag="closed"):
    """Nobody waits any more for the prompt that call ``call`` showed."""

    call: int


class Begun(Message, frozen=True, kw_only=True, tag="begun"):
    """The job ``name`` is claimed: it counts as run now, whatever becomes of the worker."""

    name: str


class Ended(Message, frozen=True, kw_only=True, tag="ended"):
    """What came of a :class:`Job`: ``done``, ``failed``; or untouched, ``not_due`` or ``busy``.

    ``detail`` says why it failed or was left alone, or what upkeep did.
    """

    outcome: Literal["done", "failed", "not_due", "busy"]
    detail: str = ""


class Phase(Message, frozen=True, kw_only=True, tag="phase"):
    """A moment of the turn for the worker log, for example ``model_request``."""

    name: str


class RunResult(Message, frozen=True, kw_only=True, tag="run_result"):
    """What came of one run of the session's agent; said before the :class:`Idle` that follows it.

    Attributes:
        outcome: ``no_model``: there was no model to ask, for want of a key, say.
        error: why it failed, without secrets; empty where it did not.
        model: the model that was asked last, and ``provider`` who runs it.
        fallback: the configured model did not answer, and another one was asked.
        calls: requests to the model. Tokens and ``cost``, in dollars, are of this run alone.
        session: Hermes's id of the session.
    """

    outcome: Literal["answered", "model_failed", "no_model", "interrupted"]
    error: str = ""
    model: str = ""
    provider: str = ""
    fallback: bool = False
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    session: str = ""


class LimitReached(Message, frozen=True, kw_only=True, tag="limit_reached"):
    """The kernel refused a process of the worker more of something; ``limit`` is the setting."""

    limit: str


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """The worker's event loop turns; sent every ``Start.heartbeat`` seconds."""


class Failed(Message, frozen=True, kw_only=True, tag="failed"):
    """The worker cannot go on; it exits after this."""

    error: str
    traceback: str


# -- gateway to worker -------------------------------------------------------------------------


class Start(Message, frozen=True, kw_only=True, tag="start"):
    """What a worker is told about the session that it serves.

    Attributes:
        turn: id of the turn, for logs.
        session_key: Hermes's key of the session, as the profile's own gateway would build it.
        platform: the platform's name as Hermes writes it, for example ``telegram``.
        methods: adapter methods that the real adapter has and the relay executes, each with the
            parameters that the real one takes.
        capabilities: answers to what Hermes probes on an adapter, by name.
        heartbeat: seconds between two :class:`Heartbeat`.
        linger: seconds that post-turn work may take before the worker ends it.
        delivery_scope: where the worker may send.
        menu: what the gateway knows of the profile's :class:`Commands`, empty for nothing; None
            where it has no use for them.
    """

    turn: str
    session_key: str
    platform: str
    methods: dict[str, list[str]]
    capabilities: dict[str, Any]
    heartbeat: float
    linger: float
    delivery_scope: DeliveryScope
    menu: str | None = None


class Job(Message, frozen=True, kw_only=True, tag="job"):
    """What a worker is told that does a job of its profile instead of serving a session.

    Attributes:
        turn: id of this process's work, for logs.
        kind: ``cron``, ``upkeep`` of the home, or ``menu``, which :class:`Commands` answers.
        id: the cron job's id in the profile's store, or the platform of a menu.
        lost: what became of the worker in which the cron job was begun; it is not run again, its
            failure is recorded and told.
        heartbeat: seconds between two :class:`Heartbeat`.
        linger: seconds that work started by the job may take before the worker ends it.
        delivery_scope: where the worker may send.
    """

    turn: str
    kind: Literal["cron", "upkeep", "menu"]
    id: str = ""
    lost: str | None = None
    heartbeat: float
    linger: float
    delivery_scope: DeliveryScope


class Event(Message, frozen=True, kw_only=True, tag="event"):
    """An inbound message of the session.

    ``fields`` are the plain fields of Hermes's ``MessageEvent``, ``source`` those of its
    ``SessionSource``, ``files`` the attachments, in the order of those of ``media_urls`` that are
    no web addresses. With ``answer`` it is to be taken only if the session waits for an answer (an
    approval, a question), and refused otherwise. ``refusal`` is what the gateway's access rules
    answer if it is a command, ``sticker`` what the worker has to describe. With ``wake`` nobody
    said anything: the worker is to see what of the session's recurring prompts is due.
    """

    id: int
    answer: bool = False
    fields: dict[str, Any]
    source: dict[str, Any]
    files: list[FileRef]
    refusal: str | None = None
    sticker: Sticker | None = None
    wake: bool = False


class Result(Message, frozen=True, kw_only=True, tag="result"):
    """The answer to a :class:`Call`, :class:`Deliver` or :class:`React`: a value or an error.

    ``refused`` says that the policy did not allow it, and that nothing was done.
    """

    call: int
    value: Any = None
    error: str | None = None
    refused: bool = False


class Resolve(Message, frozen=True, kw_only=True, tag="resolve"):
    """A person answered the prompt that the worker showed by its call ``call``.

    ``answer`` is the choice as the adapter has it: one word or text, for a model picker the model
    and its provider, nothing for a picker that was cancelled. With ``typed`` the person wants to
    type the answer instead.
    """

    id: int
    call: int
    answer: list[str]
    typed: bool = False


class Finish(Message, frozen=True, kw_only=True, tag="finish"):
    """Interrupt what runs, say what is to be said, save, and leave.

    With ``resume`` the gateway stops: the session notes that its turn is to be gone on with.
    """

    reason: str
    resume: bool = False


# -- between a worker and the processes that it started ------------------------------------------


class Told(Message, frozen=True, kw_only=True, tag="told"):
    """The worker's first message to a process of its own that connects: where it may send.

    That process sends ``chunk``, ``deliver`` and ``react`` like a worker, and gets ``result``.
    """

    delivery_scope: DeliveryScope


FromWorker = (
    Hello
    | Ready
    | Accepted
    | Handled
    | Refused
    | Call
    | Deliver
    | React
    | Chunk
    | Begun
    | Ended
    | Idle
    | Progress
    | BackgroundWork
    | NextWakeup
    | Commands
    | Draining
    | Resolved
    | Closed
    | Phase
    | RunResult
    | LimitReached
    | Heartbeat
    | Failed
)
ToWorker = Start | Job | Event | Chunk | Result | Resolve | Finish
FromChild = Deliver | React | Chunk

Request = Call | Deliver | React
"""What a worker asks for, and is answered with a :class:`Result`."""

ToChild = Told | Result

_encoder = msgspec.msgpack.Encoder()
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_from_child: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)
_to_child: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)


def encode(message: Message) -> bytes:
    """Encode one message."""
    return _encoder.encode(message)


def decode_from_worker(frame: bytes | bytearray | memoryview) -> FromWorker:
    """Decode what a worker sent; raises ``msgspec.MsgspecError`` on anything else."""
    return _from_worker.decode(frame)


def decode_to_worker(frame: bytes | bytearray | memoryview) -> ToWorker:
    """Decode what the gateway sent; raises ``msgspec.MsgspecError`` on anything else."""
    return _to_worker.decode(frame)


def decode_from_child(frame: bytes | bytearray | memoryview) -> FromChild:
    """Decode what a process sent to its worker; raises ``msgspec.MsgspecError``."""
    return _from_child.decode(frame)


def decode_to_child(frame: bytes | bytearray | memoryview) -> ToChild:
    """Decode what a worker sent to a process of its own; raises ``msgspec.MsgspecError``."""
    return _to_child.decode(frame)
