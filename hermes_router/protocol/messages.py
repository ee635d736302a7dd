"""The messages that the gateway and a worker exchange.

Every message is one msgpack map with an ``op`` field that names it. How a map is framed on the pipe
is defined in :mod:`hermes_router.protocol.framing`. Each direction has one decoder, which refuses
unknown ops and unknown fields. So a peer of another version is found at its hello, and no field is
silently ignored.

The order of a worker's life::

    worker  -> hello, ready              (ready: built, has nothing of any session yet)
    gateway -> start, [chunk ...] event  (the session and its first message)
    worker  -> accepted, handled         (or refused: offer that message to another worker)
    worker  -> call / [chunk ...] call   (adapter calls; the gateway answers each by result)
    gateway -> [chunk ...] event         (messages that arrive meanwhile; again accepted/refused)
    worker  -> run_result                (the outcome of the agent's run)
    worker  -> idle                      (reply delivered, state saved; the next turn may begin)
    worker  -> commands                  (if asked: the profile's commands, for the chat's menu)
    worker  -> call ...                  (post-turn work may still send)
    worker  -> draining, end of stream   (accepts nothing any more, exits)

A call may show a prompt that a person answers by a click. The click arrives in the gateway, which
sends ``resolve`` with the number of that call. The worker answers ``resolved``. It sends ``closed``
when it waits for the prompt no more.

A worker may send ``deliver`` and ``react`` at any time while it serves a session or does a job.
They name a conversation, which need not be the worker's own. The gateway answers by ``result``.

A worker for a job gets ``job`` in place of ``start``, and no event. It sends ``begun`` when the job
counts as run, ``ended`` with the job's outcome, and then ``idle`` and ``draining`` as after a turn.

``progress`` says which events are done, and which only wait in the worker. If the worker dies,
another worker serves the waiting events.

A worker may send ``heartbeat`` and ``background_work`` (the work that would end with it) at any
time. A worker with background work sends ``idle`` with ``resident`` set, and accepts further events
of its session until it sends ``draining``.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

PROTOCOL_VERSION = 4

#: Maximum bytes of data in one :class:`Chunk`.
CHUNK_BYTES = 256 * 1024


class Message(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="op", forbid_unknown_fields=True
):
    """The base of all messages: it adds the ``op`` field, with the tag of the class."""


class FileRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file whose bytes were sent before, as chunks.

    Attributes:
        stream: the stream number that those chunks have.
        name: a plain file name, never a path: the receiver chooses the folder.
        size: bytes of the whole file.
    """

    stream: int
    name: str
    size: int


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A conversation to which a worker may send, with the name that people gave it."""

    platform: str
    chat_id: str
    thread_id: str | None = None
    name: str = ""
    kind: str = ""


class DeliveredText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text that the gateway sent for a worker that died.

    Attributes:
        name: the text's hash, see :mod:`hermes_router.protocol.delivered`.
        since: when that worker began, Unix seconds.
        until: when it ended, Unix seconds.
    """

    name: str
    since: float
    until: float


class DeliveryScope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a worker may send. The gateway checks again whenever the worker sends something.

    Attributes:
        platforms: the platforms that the gateway is connected to.
        origin: the conversation that the worker serves, if it serves one.
        homes: the profile's home channel on each platform where it has one.
        places: the conversations that are known to be the profile's.
        anywhere: the profile may send to every place.
        tool: the model gets a tool for sending.
        settled: texts that were sent for workers which died before they could record that.
    """

    platforms: list[str] = []
    origin: Place | None = None
    homes: list[Place] = []
    places: list[Place] = []
    anywhere: bool = False
    tool: bool = False
    settled: list[DeliveredText] = []


class Sticker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sticker, which the worker replaces by a description in the message's text.

    The picture is the message's only file. There is no file if it could not be fetched.

    Attributes:
        mark: the text that the worker replaces by the description.
        id: the platform's id of the sticker, the same for every sender.
        emoji: the emoji that the platform gives for the sticker.
        set_name: the name of the set that the sticker belongs to.
    """

    mark: str
    id: str
    emoji: str
    set_name: str


# -- both directions ---------------------------------------------------------------------------


class Chunk(Message, frozen=True, kw_only=True, tag="chunk"):
    """A piece of the file ``stream``. The message that uses the file follows its last piece."""

    stream: int
    data: bytes


# -- worker to gateway -------------------------------------------------------------------------


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """The worker's first message: which profile, protocol and versions it has.

    Attributes:
        protocol: the version of the protocol; the gateway refuses another than its own.
        router: the version of hermes-router.
        hermes: the version of Hermes.
        python: the version of Python.
        pid: the worker's own process id.
        profile: the name of the profile.
    """

    protocol: int
    router: str
    hermes: str
    python: str
    pid: int
    profile: str


class Ready(Message, frozen=True, kw_only=True, tag="ready"):
    """The worker is built and waits for :class:`Start`; ``phases`` are the seconds of each step."""

    phases: dict[str, float]


class Accepted(Message, frozen=True, kw_only=True, tag="accepted"):
    """The worker has accepted event ``event``, and passed it to its Hermes."""

    event: int


class Handled(Message, frozen=True, kw_only=True, tag="handled"):
    """The worker's adapter has handled event ``event``: its command is executed, or its turn begun.

    ``halted`` is true if the event has stopped the session's run, so that no part of it may go on.
    """

    event: int
    halted: bool = False


class Refused(Message, frozen=True, kw_only=True, tag="refused"):
    """Event ``event`` came too late for this worker, which has done nothing with it."""

    event: int


class Call(Message, frozen=True, kw_only=True, tag="call"):
    """Call a method of the platform's adapter. The gateway answers with :class:`Result`.

    Attributes:
        id: the number of the call.
        method: the name of the method.
        args: the keyword arguments, as plain values. A local file is written as ``{"$file": a
            FileRef as a map}``.
        answers: if this call sends the last part of an answer: the last event that it answers; else
            0.
    """

    id: int
    method: str
    args: dict[str, Any]
    answers: int = 0


class Deliver(Message, frozen=True, kw_only=True, tag="deliver"):
    """Send a text and files to the place ``platform``, ``chat_id``, ``thread_id``.

    The value of the :class:`Result` is that of Hermes's own function for sending: a map with
    ``success`` or with ``error``.

    Attributes:
        id: the number of the request; calls, deliveries and reactions count together.
        files: files that are sent after the text.
        voice: the indexes of those files that are voice messages.
        as_documents: send pictures and videos unchanged, as documents.
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
    """Set the reaction ``emoji`` on a message; without ``emoji``, remove the reaction.

    Without ``message_id`` the message is the conversation's last one. The gateway answers as it
    answers :class:`Deliver`.
    """

    id: int
    platform: str
    chat_id: str
    thread_id: str | None = None
    message_id: str | None = None
    emoji: str | None = None


class Idle(Message, frozen=True, kw_only=True, tag="idle"):
    """The reply is delivered and the session's state is saved.

    Attributes:
        resident: background work of this session goes on in this worker, so the worker stays and
            accepts the session's next events.
        cut_off: :class:`Finish` interrupted the turn, so there may be no reply. Hermes resumes the
            turn when the session is served next.
    """

    resident: bool = False
    cut_off: bool = False


class Progress(Message, frozen=True, kw_only=True, tag="progress"):
    """The worker's progress with the session's events, which it works on in order of their numbers.

    Attributes:
        done: all events before this number are done, except those in ``waiting``.
        waiting: events that wait in the worker's memory and are not begun.
    """

    done: int
    waiting: list[int] = []


class BackgroundWork(Message, frozen=True, kw_only=True, tag="background_work"):
    """The background work in the worker, which would end with it, in words for people.

    This list replaces the list that the worker sent before.
    """

    works: list[str]


class NextWakeup(Message, frozen=True, kw_only=True, tag="next_wakeup"):
    """When the gateway must wake the session, in Unix seconds; None if never."""

    at: float | None


class Commands(Message, frozen=True, kw_only=True, tag="commands"):
    """The slash commands that the profile offers on the session's platform, with descriptions.

    ``of`` names the state of the files that they were read from. The gateway sends it back as
    ``menu`` of the next :class:`Start`, so that a worker reports only changes.
    """

    of: str
    commands: list[tuple[str, str]]


class Draining(Message, frozen=True, kw_only=True, tag="draining"):
    """The worker accepts no more events; it finishes what it has accepted, and exits."""


class Resolved(Message, frozen=True, kw_only=True, tag="resolved"):
    """The worker's answer to :class:`Resolve` ``id``: a text to show, nothing, or an error."""

    id: int
    value: str | None = None
    error: str | None = None


class Closed(Message, frozen=True, kw_only=True, tag="closed"):
    """The worker waits no more for the prompt that its call ``call`` showed."""

    call: int


class Begun(Message, frozen=True, kw_only=True, tag="begun"):
    """The worker has claimed the job ``name``: it counts as run now, even if the worker dies."""

    name: str


class Ended(Message, frozen=True, kw_only=True, tag="ended"):
    """The outcome of a :class:`Job`.

    Attributes:
        outcome: with ``not_due`` and ``busy`` the worker did nothing; ``busy`` means that another
            process does the job.
        detail: why the job failed or was not done, or what the maintenance did.
    """

    outcome: Literal["done", "failed", "not_due", "busy"]
    detail: str = ""


class Phase(Message, frozen=True, kw_only=True, tag="phase"):
    """The turn has reached a phase, for the worker log, for example ``model_request``."""

    name: str


class RunResult(Message, frozen=True, kw_only=True, tag="run_result"):
    """The outcome of one run of the session's agent; sent before the next :class:`Idle`.

    Attributes:
        outcome: ``no_model`` means that no model could be asked, for example without a key.
        error: why the run failed, without secrets; empty if it did not fail.
        model: the model that was asked last.
        provider: the provider of that model.
        fallback: the configured model did not answer, and another model was asked.
        calls: requests to the model in this run.
        input_tokens: tokens that this run sent.
        output_tokens: tokens that this run received.
        cost: cost of this run in US dollars; None if unknown.
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
    """The kernel refused an operation of the worker; ``limit`` is the setting in ``limits``."""

    limit: str


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """A sign of life: the worker's event loop runs. Sent every ``Start.heartbeat`` seconds."""


class Failed(Message, frozen=True, kw_only=True, tag="failed"):
    """The worker has failed and exits after this message."""

    error: str
    traceback: str


# -- gateway to worker -------------------------------------------------------------------------


class Start(Message, frozen=True, kw_only=True, tag="start"):
    """The gateway tells the worker which session it serves.

    Attributes:
        turn: the id of the turn, for logs.
        session_key: Hermes's key of the session, as the profile's own gateway would compute it.
        platform: the platform's name as Hermes writes it, for example ``telegram``.
        methods: the methods of the real adapter that the relay executes, each with the parameters
            that it accepts.
        capabilities: the real adapter's capabilities, by name.
        heartbeat: seconds between two :class:`Heartbeat`.
        linger: seconds that post-turn work may take before the worker ends it.
        delivery_scope: where the worker may send.
        menu: ``of`` of the :class:`Commands` that the gateway knows, empty if it knows none; None
            if it needs no commands.
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
    """The gateway tells the worker to do a job of its profile, instead of serving a session.

    Attributes:
        turn: the id of this worker's work, for logs.
        kind: ``cron``; ``upkeep``, maintenance of the home; or ``menu``, which the worker answers
            with :class:`Commands`.
        id: the cron job's id in the profile's cron file, or the platform of a menu.
        lost: why the worker died that had begun the cron job. The job is not run again; its failure
            is recorded and reported.
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

    Attributes:
        id: the number of the event.
        answer: accept the event only if the session waits for an answer (an approval, a question),
            else refuse it.
        fields: the plain fields of Hermes's ``MessageEvent``.
        source: the plain fields of Hermes's ``SessionSource``.
        files: the attachments, in the order of those ``media_urls`` that are no web addresses.
        refusal: the answer to send if the message is a command that the gateway's access rules
            forbid.
        sticker: a sticker that the worker has to describe.
        wake: this is no message of a person: the worker runs the session's recurring prompts that
            are due.
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

    With ``refused`` the policy did not allow the request, and the gateway did nothing.
    """

    call: int
    value: Any = None
    error: str | None = None
    refused: bool = False


class Resolve(Message, frozen=True, kw_only=True, tag="resolve"):
    """A person answered the prompt that the worker showed by its call ``call``.

    Attributes:
        id: the number of the answer.
        call: the number of the worker's call.
        answer: the choice as the adapter gives it: one word or text; for a model picker the model
            and its provider; empty if the person cancelled.
        typed: the person will type the answer instead.
    """

    id: int
    call: int
    answer: list[str]
    typed: bool = False


class Finish(Message, frozen=True, kw_only=True, tag="finish"):
    """The worker must interrupt its run, tell people why, save its state, and exit.

    With ``resume`` the gateway stops, and the session notes that its turn must be resumed.
    """

    reason: str
    resume: bool = False


# -- between a worker and the processes that it started ------------------------------------------


class Told(Message, frozen=True, kw_only=True, tag="told"):
    """The worker tells a process that it started, and that has connected to it, where it may send.

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
"""The requests of a worker; the gateway answers each with a :class:`Result`."""

ToChild = Told | Result

_encoder = msgspec.msgpack.Encoder()
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_from_child: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)
_to_child: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)


def encode(message: Message) -> bytes:
    """Return one message as msgpack bytes, without the frame's length."""
    return _encoder.encode(message)


def decode_from_worker(frame: bytes | bytearray | memoryview) -> FromWorker:
    """Decode a worker's message; raises ``msgspec.MsgspecError`` for any other bytes."""
    return _from_worker.decode(frame)


def decode_to_worker(frame: bytes | bytearray | memoryview) -> ToWorker:
    """Decode the gateway's message to a worker; raises ``msgspec.MsgspecError`` for other bytes."""
    return _to_worker.decode(frame)


def decode_from_child(frame: bytes | bytearray | memoryview) -> FromChild:
    """Decode a message to a worker of a process that it started.

    Raises ``msgspec.MsgspecError`` for any other bytes.
    """
    return _from_child.decode(frame)


def decode_to_child(frame: bytes | bytearray | memoryview) -> ToChild:
    """Decode a worker's message to a process that it started.

    Raises ``msgspec.MsgspecError`` for any other bytes.
    """
    return _to_child.decode(frame)
