"""The messages that the gateway and a worker exchange.

Every message is one msgpack map with an ``op`` field that names it. How a map is framed on the pipe
is defined in :mod:`hermes_router.protocol.framing`. Each direction has one decoder, which refuses
unknown ops and unknown fields. So a peer of another version is found at its hello, and no field is
silently ignored.

The order of a worker's life::

    worker  -> hello                     (a prepared worker sends its ready now, before start)
    gateway -> start, [chunk ...] event  (the session and its first message)
    worker  -> ready                     (its Hermes is built)
    worker  -> accepted, handled         (or refused: offer that message to another worker)
    worker  -> model_request             (before it asks the model; the gateway answers by result)
    worker  -> call / [chunk ...] call   (adapter calls; the gateway answers each by result)
    gateway -> [chunk ...] event         (messages that arrive meanwhile; again accepted/refused)
    worker  -> run_result                (the outcome of the agent's run)
    worker  -> next_wakeup               (if changed: when its next recurring prompt is due)
    worker  -> idle                      (reply delivered, state saved; the next turn may begin)
    worker  -> commands                  (if asked: the profile's commands, for the chat's menu)
    worker  -> call ...                  (post-turn work may still send)
    worker  -> draining, end of stream   (accepts nothing any more, exits)

A call may show a prompt that a person answers by a click. The click arrives in the gateway, which
sends ``resolve`` with the number of that call. The worker answers ``resolved``. It sends ``closed``
when it waits for the prompt no more.

If Hermes in the worker gives up a text that is being sent, the worker sends ``cancel`` with the
number of that call. The gateway then gives it up too, so that the text does not come after Hermes
has sent it in another way.

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

PROTOCOL_VERSION = 9

#: Maximum bytes of data in one :class:`Chunk`.
CHUNK_BYTES = 256 * 1024


class Message(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="op", forbid_unknown_fields=True
):
    """The base of all messages: it adds the field ``op``, which holds the name of the message."""


class FileRef(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file whose bytes were sent before, each piece as a :class:`Chunk`.

    Attributes:
        stream: the stream number that those chunks have; an empty file has no chunk.
        name: a plain file name, never a path: the receiver chooses the folder.
        size: bytes of the whole file.
    """

    stream: int
    name: str
    size: int


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A conversation to which a worker may send, with the name that people gave it.

    Attributes:
        platform: the platform's name as Hermes writes it, for example ``telegram``.
        chat_id: the platform's id of the chat.
        thread_id: the platform's id of the thread in it; None if the place is no thread.
        name: what people see, such as the titles of the group and the topic; empty if unknown.
        kind: Hermes's type of the chat, such as ``dm`` or ``group``; empty if unknown.
    """

    platform: str
    chat_id: str
    thread_id: str | None = None
    name: str = ""
    kind: str = ""


class DeliveredText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text that the gateway sent for a worker that died before it could record that.

    The profile's list of unsent replies may still have it. The next worker marks it there as sent,
    so that nobody gets it twice.

    Attributes:
        name: a hash of place and text, see :mod:`hermes_router.protocol.delivered`.
        since: only an entry of the list that was written after this time is meant, Unix seconds.
        until: and only if it was written before this time, Unix seconds.
    """

    name: str
    since: float
    until: float


class DeliveryScope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a worker may send. The gateway checks again whenever the worker sends something.

    Attributes:
        platforms: the platforms that the gateway is connected to, by Hermes's names.
        origin: the conversation that the worker serves; None for a job.
        homes: the profile's home channel on each platform where it has one. The worker gives it to
            its Hermes if the profile has chosen none itself.
        places: the conversations to which the profile may send, at most 300; the gateway allows
            the others too.
        anywhere: true if the profile may send to every place.
        tool: true if the worker must offer its model a tool for sending.
        settled: the profile's replies that the worker must not send again.
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
        mark: the part of the message's text that the worker replaces by the description.
        id: the platform's id of the sticker, the same for every sender. The worker keeps the
            description under this id, and asks its vision model only once.
        emoji: the emoji that the platform gives for the sticker; empty if none.
        set_name: the name of the set that the sticker belongs to; empty if none.
    """

    mark: str
    id: str
    emoji: str
    set_name: str


# -- both directions ---------------------------------------------------------------------------


class Chunk(Message, frozen=True, kw_only=True, tag="chunk"):
    """A piece of a file. The message that uses the file, by a :class:`FileRef`, comes later.

    The receiver appends the pieces of one stream in the order in which they come.

    Attributes:
        stream: a number that the sender has given to no other file.
        data: the bytes, at most ``CHUNK_BYTES``.
    """

    stream: int
    data: bytes


# -- worker to gateway -------------------------------------------------------------------------


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """The worker's first message: which profile, protocol and versions it has.

    The gateway answers with :class:`Start` or :class:`Job`, and does not wait for :class:`Ready`.

    Attributes:
        protocol: the version of the protocol; the gateway ends a worker with another than its own.
        router: the version of hermes-router; the gateway does not use it.
        hermes: the version of Hermes, for the worker log.
        python: the version of Python; the gateway does not use it.
        pid: the worker's own process id, for the worker log; in a sandbox that of its namespace.
        profile: the name of the profile; the gateway ends a worker that names another profile.
    """

    protocol: int
    router: str
    hermes: str
    python: str
    pid: int
    profile: str


class Ready(Message, frozen=True, kw_only=True, tag="ready"):
    """The worker has built its Hermes, and can serve the first event or do its job.

    It is sent once. A prepared worker sends it before it gets :class:`Start` or :class:`Job`, every
    other worker after that. From now on the gateway applies ``timeouts.silence`` in place of
    ``timeouts.start``. If a worker ends before this, the gateway may wait before it starts the
    profile's next one.

    Attributes:
        phases: the seconds that each step of the start took, for the worker log. The names are
            free, for example ``import``: small letters, digits, points and underscores.
    """

    phases: dict[str, float]


class Accepted(Message, frozen=True, kw_only=True, tag="accepted"):
    """The worker has accepted an event, and passes it to its Hermes after this.

    The gateway offers that message to another worker only if this one dies and has not begun it,
    see :class:`Progress`. If the worker dies while it works on the message, people get a notice.

    Attributes:
        event: the ``id`` of the :class:`Event`.
    """

    event: int


class Handled(Message, frozen=True, kw_only=True, tag="handled"):
    """The worker has passed an event to its Hermes: its command is executed, or its turn has begun.

    It follows :class:`Accepted`, also if Hermes failed. The gateway waits for it after a command.

    Attributes:
        event: the ``id`` of the :class:`Event`.
        halted: true if the event is a command that has stopped the session's run. After ``/stop``
            the gateway then waits for :class:`Idle`. It ends the worker's process tree if that
            does not come within ``timeouts.stop`` seconds after the offer.
    """

    event: int
    halted: bool = False


class Refused(Message, frozen=True, kw_only=True, tag="refused"):
    """The worker does not take an event, and has done nothing with it.

    The worker accepts no more events, or the event has ``answer`` and the session waits for no
    answer. In the first case the gateway offers the message to another worker. In the second
    case, it tells people that it takes no new messages now.

    Attributes:
        event: the ``id`` of the :class:`Event`.
    """

    event: int


class Call(Message, frozen=True, kw_only=True, tag="call"):
    """The worker calls a method of the platform's adapter in the gateway.

    The gateway answers with :class:`Result`. Several calls may wait for their results at once.

    Attributes:
        id: the number of the call; all requests of a worker count together.
        method: the name of the method, one of ``methods`` of :class:`Start`.
        args: the keyword arguments, as plain values. A local file is written as ``{"$file": a
            FileRef as a map}``.
        answers: if this call sends the last part of an answer: the last event that it answers; else
            0. If the call succeeds, the events up to this number that did not wait when it began
            count as answered, also if the worker dies then.
    """

    id: int
    method: str
    args: dict[str, Any]
    answers: int = 0


class Deliver(Message, frozen=True, kw_only=True, tag="deliver"):
    """The worker has the gateway send a text and files to a conversation.

    The gateway answers with :class:`Result`. Its value is like that of Hermes's own function for
    sending: a map with ``success``, or with ``error`` if not everything was sent.

    Attributes:
        id: the number of the request; all requests of a worker count together.
        platform: the platform's name as Hermes writes it.
        chat_id: the platform's id of the chat.
        thread_id: the platform's id of the thread. None means the chat itself. If the profile may
            not send there, the gateway tries the thread of the worker's own conversation, and then
            that of the home channel, if they are in the same chat.
        text: the text; empty if only files are sent.
        files: files that are sent after the text. The text of a single file may become its caption.
        voice: the indexes in ``files``, from 0, of those that are voice messages.
        as_documents: true if pictures and videos are sent unchanged, as documents.
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
    """The worker has the gateway set a reaction on a message, or remove it.

    The gateway answers as it answers :class:`Deliver`.

    Attributes:
        id: the number of the request; all requests of a worker count together.
        platform: the platform's name as Hermes writes it.
        chat_id: the platform's id of the chat.
        thread_id: the platform's id of the thread; None is treated as in :class:`Deliver`.
        message_id: the platform's id of the message, which the gateway must have received lately;
            None for the newest one that it received in the conversation.
        emoji: the reaction; None removes it.
    """

    id: int
    platform: str
    chat_id: str
    thread_id: str | None = None
    message_id: str | None = None
    emoji: str | None = None


class ModelRequest(Message, frozen=True, kw_only=True, tag="model_request"):
    """The worker is about to ask its model for the events that it works on.

    The gateway writes this to its ledger, and answers with a :class:`Result` without a value. The
    worker must wait for that: tools may run from then on, so no other worker may serve the events
    again. If the gateway is gone, the worker must not ask the model, because the next gateway
    has another worker serve the events. Later requests for the same events need no message.

    Attributes:
        id: the number of the request; all requests of a worker count together.
        upto: the last event that the model is asked for; 0 for a prompt that is no event. Events
            in ``waiting`` of :class:`Progress` are not meant.
    """

    id: int
    upto: int = 0


class Idle(Message, frozen=True, kw_only=True, tag="idle"):
    """All accepted events are answered and the session's state is saved, or the job has ended.

    For the gateway, all accepted events are done now, unless ``cut_off`` is true. It has those
    served again that wait, by the last :class:`Progress`. It serves the session's next event by
    this worker if ``resident`` is true, else by another one. A worker must not send this before
    :class:`Ready`. After one without ``resident`` it must send neither another one nor
    :class:`Accepted`.

    Attributes:
        resident: background work of this session goes on in this worker, or a person may still use
            a confirmation or picker of it. So the worker stays and accepts the session's next
            events, until it sends :class:`Draining` or an ``idle`` without ``resident``.
        cut_off: a :class:`Finish` with ``resume`` interrupted the turn, so there may be no reply.
            The session has a mark, by which Hermes resumes the turn when the session is served
            next.
    """

    resident: bool = False
    cut_off: bool = False


class Progress(Message, frozen=True, kw_only=True, tag="progress"):
    """The worker's progress with the session's events, which it works on in order of their numbers.

    The worker sends it after each change, at the latest before its next call. If the worker dies
    or ends, the gateway has another worker serve the events in ``waiting``. For those that a worker
    that died has begun and not answered, people get a notice.

    Attributes:
        done: all events before this number are done, except those in ``waiting``.
        waiting: the ids of events that are not begun. They wait in the worker's memory, or are on
            their way to its Hermes behind an event that is not done.
    """

    done: int
    waiting: list[int] = []


class BackgroundWork(Message, frozen=True, kw_only=True, tag="background_work"):
    """The worker says which background work would be lost if it ended now, at each change.

    When the worker has ended, for any reason, the gateway tells the conversation which works of the
    last list have ended. So the last list of a worker that leaves nothing behind must be empty.

    Attributes:
        works: each piece of background work in words for people, without secrets; empty if there
            is none. This list replaces the list that the worker sent before.
    """

    works: list[str]


class NextWakeup(Message, frozen=True, kw_only=True, tag="next_wakeup"):
    """The worker says when the session's next recurring prompt (``/loop``, ``/heartbeat``) is due.

    It is sent after each command and before :class:`Idle`, after it if the gateway stops: the first
    time always, later if the time has changed. The gateway keeps the time in a file. When it has
    come, the gateway sends the session an :class:`Event` with ``wake``, and starts a worker for
    that if none runs.

    Attributes:
        at: Unix seconds; None if there is no such prompt, which removes the time from the file.
    """

    at: float | None


class Commands(Message, frozen=True, kw_only=True, tag="commands"):
    """The slash commands that the profile offers on a platform; the gateway puts them into menus.

    A worker with a session sends it after :class:`Idle`, unless ``menu`` of :class:`Start` is None
    or equal to its ``of``. A worker with a ``menu`` job sends it before :class:`Ended`.

    Attributes:
        of: a name that the worker makes for the state of the files from which it read the commands.
            The gateway sends it back as ``menu``, so that a worker reports only changes.
        commands: the name, without a slash, and the description of each command. The gateway
            leaves out names that are no plain words, and what follows the first 100.
    """

    of: str
    commands: list[tuple[str, str]]


class Draining(Message, frozen=True, kw_only=True, tag="draining"):
    """The worker accepts no more events: it refuses those that still come, and exits soon.

    It is normally sent after the last :class:`Idle`, just before the end of the stream. If it comes
    earlier, the worker must still finish what it has accepted, and send an ``idle`` without
    ``resident``. The gateway offers the worker nothing more and closes its prompts. When all is
    answered, it ends a worker that takes longer than ``timeouts.post_turn`` plus 10 seconds.
    """


class Resolved(Message, frozen=True, kw_only=True, tag="resolved"):
    """The worker has done what a person's answer to a prompt asks for; one for each ``resolve``.

    If the prompt is a confirmation or a picker, the adapter shows the text in the chat. For other
    prompts, and if both are None, the gateway shows nothing.

    Attributes:
        id: the ``id`` of the :class:`Resolve`.
        value: the text to show; None if there is none, or if nothing waited for the answer any
            more.
        error: why it failed, for the adapter's code that handles the click; None if it did not
            fail.
    """

    id: int
    value: str | None = None
    error: str | None = None


class Closed(Message, frozen=True, kw_only=True, tag="closed"):
    """The worker waits no more for an answer to a prompt: a typed word answered it, or it expired.

    The gateway closes the prompt, so that it sends no :class:`Resolve` for later clicks. After a
    ``resolve`` without ``typed`` the prompt is closed already, and this is not needed.

    Attributes:
        call: the ``id`` of the :class:`Call` that showed the prompt.
    """

    call: int


class Cancel(Message, frozen=True, kw_only=True, tag="cancel"):
    """The worker does not wait for a call any more; the gateway cancels it, if it still runs.

    Sent for the method ``send`` only. Nothing happens if the call is over.

    Attributes:
        call: the ``id`` of the :class:`Call`.
    """

    call: int


class Begun(Message, frozen=True, kw_only=True, tag="begun"):
    """The worker has claimed its cron job and runs it after this: the job counts as run now.

    If the worker dies between this and :class:`Ended`, the gateway does not repeat the job. It
    starts another worker with ``lost`` of :class:`Job`. Without this message it tries the job
    again later. Other jobs than cron jobs do not send it.

    Attributes:
        name: the job's name in the profile's cron file, or its id if it has no name.
    """

    name: str


class Ended(Message, frozen=True, kw_only=True, tag="ended"):
    """The outcome of a :class:`Job`; the worker sends it once, and :class:`Idle` after it.

    The gateway writes the outcome into the worker log and into its report about a cron job. A
    worker that ends without this message has failed, unless the gateway told it to end.

    Attributes:
        outcome: with ``not_due`` and ``busy`` the worker did nothing; ``busy`` means that another
            process does the job.
        detail: why the job failed or was not done, or what the maintenance did; may be empty.
    """

    outcome: Literal["done", "failed", "not_due", "busy"]
    detail: str = ""


class RunResult(Message, frozen=True, kw_only=True, tag="run_result"):
    """The outcome of one run of the session's agent; sent before the next :class:`Idle`.

    The gateway puts it into its report about the turn. There may be several before one ``idle``:
    the gateway adds up their numbers, and keeps the outcome of the last one. If Hermes fails before
    or after the run, one more says so.

    Attributes:
        outcome: ``answered``; ``model_failed``; ``no_model``, no model could be asked, for example
            without a key; ``hermes_failed``, Hermes itself failed before or after the run;
            ``interrupted``, the run was stopped before its end.
        error: why the run or Hermes failed, without secrets; empty if nothing failed.
        model: the model that was asked last; empty if the agent did not run to its end.
        provider: the provider of that model; empty in the same case.
        fallback: true if the configured model did not answer, and another model was asked.
        calls: the number of requests to the model in this run.
        input_tokens: the number of tokens that this run sent to the model.
        output_tokens: the number of tokens that this run got from it.
        cost: cost of this run in US dollars; None if it is unknown or nothing.
        session: Hermes's id of the session; empty if the agent did not run to its end.
    """

    outcome: Literal["answered", "model_failed", "no_model", "hermes_failed", "interrupted"]
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
    """A program that the worker's agent ran could not open a file: its limit was reached.

    The worker finds this in the program's output, and goes on. The gateway tells the conversation
    once a turn. A limit that ends the worker is not reported so, but by the exit status.

    Attributes:
        limit: the name of the setting below ``limits``. Only ``open_files`` is sent; the gateway
            ignores others.
    """

    limit: str


class Heartbeat(Message, frozen=True, kw_only=True, tag="heartbeat"):
    """A sign of life: the worker's event loop runs.

    It is sent every ``heartbeat`` seconds, a field of :class:`Start` and :class:`Job`. The gateway
    ends a ready worker from which it gets no message of any kind for ``timeouts.silence`` seconds.
    """


class Failed(Message, frozen=True, kw_only=True, tag="failed"):
    """The worker itself has failed, by an error in its own code, and exits after this message.

    The gateway reads nothing more and ends the process tree. People get a notice if they wait for
    an answer. A failed model or tool is not reported so.

    Attributes:
        error: the error in a few words, for the gateway's log and the worker log.
        traceback: where it was raised, as Python prints it, at most 8000 characters. The gateway
            writes it into no log: the worker itself must print it.
    """

    error: str
    traceback: str


# -- gateway to worker -------------------------------------------------------------------------


class Start(Message, frozen=True, kw_only=True, tag="start"):
    """The gateway tells the worker which session it serves; sent once, after :class:`Hello`.

    Attributes:
        turn: the id of the turn, for logs.
        session_key: Hermes's key of the session, as the profile's own gateway would compute it.
        platform: the platform's name as Hermes writes it, for example ``telegram``.
        methods: the methods of the real adapter that the relay executes, each with the parameters
            that it accepts.
        capabilities: what the real adapter can do, by the names in ``CAPABILITIES`` of
            :mod:`hermes_router.protocol.surface`, with the adapter's answers.
        heartbeat: seconds between two :class:`Heartbeat`.
        linger: seconds that the worker waits for its post-turn work before it exits.
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


class Expect(Message, frozen=True, kw_only=True, tag="expect"):
    """The gateway tells the worker that an :class:`Event` of its session is about to come.

    Sent at most once, after :class:`Start`. The worker prepares what the event will need, and says
    nothing about it to people. If no event comes, the gateway ends it.

    Attributes:
        source: the fields of Hermes's source of the event.
        channel_prompt: what the adapter itself says of the place, or None.
    """

    source: dict[str, Any]
    channel_prompt: str | None = None


class Job(Message, frozen=True, kw_only=True, tag="job"):
    """The gateway tells the worker to do a job of its profile, instead of serving a session.

    Attributes:
        turn: the id of this worker's work, for logs.
        kind: ``cron``; ``upkeep``, maintenance of the home; or ``menu``, which the worker answers
            with :class:`Commands`.
        id: the cron job's id in the profile's cron file, or the platform of a menu; empty for
            ``upkeep``.
        lost: None to run the job. Else why the worker died that had begun the cron job: the worker
            does not run it again, but records and reports that it failed.
        heartbeat: seconds between two :class:`Heartbeat`.
        linger: seconds that the worker waits, after the job, for work that the job has started.
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
    """An inbound message of the session; the gateway may send it at once after :class:`Start`.

    The worker answers with :class:`Accepted` and later :class:`Handled`, or with :class:`Refused`.

    Attributes:
        id: the number of the event. Each event has a higher number than the one before; numbers
            may be left out.
        answer: accept the event only if the session waits for an answer (an approval, a question),
            else refuse it.
        fields: the plain fields of Hermes's ``MessageEvent``.
        source: the plain fields of Hermes's ``SessionSource``.
        files: the attachments, in the order of those ``media_urls`` that are no web addresses.
        allowed_commands: the only commands that the gateway's access rules let the sender give,
            besides those that Hermes lets everybody give; None if the rules allow every command.
        sticker: a sticker that the worker has to describe; None if the message is no sticker.
        wake: true if this is no message of a person: the worker runs the session's recurring
            prompts that are due, and reads only ``source``.
    """

    id: int
    answer: bool = False
    fields: dict[str, Any]
    source: dict[str, Any]
    files: list[FileRef]
    allowed_commands: list[str] | None = None
    sticker: Sticker | None = None
    wake: bool = False


class Result(Message, frozen=True, kw_only=True, tag="result"):
    """The answer to a :class:`Call`, :class:`Deliver` or :class:`React`: a value or an error.

    Attributes:
        call: the ``id`` of the request.
        value: what the adapter's method has returned, as plain data; it may be None.
        error: why the request failed, one line; None if it did not fail.
        refused: true if the gateway's rules did not allow the request, so that it did nothing;
            ``error`` then says why.
    """

    call: int
    value: Any = None
    error: str | None = None
    refused: bool = False


class Resolve(Message, frozen=True, kw_only=True, tag="resolve"):
    """A person answered a prompt of the worker; the worker acts and sends :class:`Resolved`.

    Attributes:
        id: the number of the answer.
        call: the ``id`` of the :class:`Call` that showed the prompt.
        answer: the choice as the adapter gives it: one word or text; for a model picker the model
            and its provider; empty if the person cancelled.
        typed: true if the person will type the answer instead: ``answer`` is empty, and the prompt
            stays open until the worker sends :class:`Closed`.
    """

    id: int
    call: int
    answer: list[str]
    typed: bool = False


class Finish(Message, frozen=True, kw_only=True, tag="finish"):
    """The worker must interrupt its run, let Hermes send its last text, save its state, and exit.

    It refuses events from now on. The gateway ends its process tree if it has not exited after
    ``timeouts.stop`` seconds.

    Attributes:
        reason: why, in words for people. The worker need not show it: the gateway names it in the
            notice about background work that has ended.
        resume: true if the gateway stops. If a turn runs, the worker then marks its session, so
            that Hermes resumes the turn later, and sets ``cut_off`` in its last :class:`Idle`.
            Events that wait behind it are served again.
    """

    reason: str
    resume: bool = False


# -- between a worker and the processes that it started ------------------------------------------


class Told(Message, frozen=True, kw_only=True, tag="told"):
    """The worker tells a process that it started, and that has connected to it, where it may send.

    It is the first message on the connection. That process then sends ``chunk``, ``deliver`` and
    ``react`` like a worker, one request after the other, and gets ``result`` for each.

    Attributes:
        delivery_scope: what the gateway has told the worker.
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
    | ModelRequest
    | Cancel
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
    | RunResult
    | LimitReached
    | Heartbeat
    | Failed
)
ToWorker = Start | Job | Expect | Event | Chunk | Result | Resolve | Finish
FromChild = Deliver | React | Chunk

Request = Call | Deliver | React | ModelRequest
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
