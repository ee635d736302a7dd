"""The life of one worker: from its start over the turns' messages to its end and its log lines.

A :class:`Turn` never raises: whatever its worker does - dies, hangs, floods, lies - ends in an
:class:`Outcome`, a line in the worker log and, if the person in the chat would otherwise wait for
nothing, a notice there.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import logging
import os
import re
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.abc
import anyio.to_thread

from hermes_router.calls import Calls, Request
from hermes_router.errors import (
    ProtocolError,
    RouterError,
    WorkerDied,
    WorkerOverLimit,
    WorkerStartError,
    WorkerTimeout,
    WrongVersion,
)
from hermes_router.logs import exit_text, one_line, write_line
from hermes_router.notices import (
    ended_works,
    is_told_in_any_case,
    notice,
    refused_files,
    why_ended,
)
from hermes_router.outbound import Sender
from hermes_router.profiles import Profile
from hermes_router.prompts import Ask, Desk, OpenPrompts
from hermes_router.protocol import messages as msg
from hermes_router.protocol.limits import OPEN_FILES, limit_of
from hermes_router.protocol.settled import name_of
from hermes_router.routing import Place
from hermes_router.settings import Settings
from hermes_router.spool import Spool
from hermes_router.warm import Workers
from hermes_router.worker_process import WorkerProcess, open_log

logger = logging.getLogger(__name__)

#: Seconds that a worker gets on top of its post-turn time, to keep to it by itself.
_POST_TURN_MORE = 10.0

#: What a worker may call a moment or a step, and how many of them the log takes.
_PHASE = re.compile(r"[a-z][a-z0-9_.]{0,31}")
_MOST_PHASES = 32

#: Calls that say nothing in the conversation.
_SILENT_CALLS = frozenset({"send_typing", "stop_typing"})

#: Works that a worker names, and letters of each, that people are told of.
_MOST_WORKS, _WORK_LETTERS = 10, 120

#: Texts sent by one worker whose names are remembered.
_SENT_REMEMBERED = 100


class Conversation(Protocol):
    """What a turn needs of the conversation that it serves."""

    key: str
    profile: Profile

    @property
    def sender(self) -> Sender:
        """Who sends when the worker sends beyond this conversation."""

    def start_message(
        self, *, turn_id: str, heartbeat: float, linger: float, reach: msg.Reach
    ) -> msg.Start | msg.Job:
        """Return what the worker is told about the session, or about its job."""

    async def execute(self, method: str, args: Mapping[str, Any], spool: Spool, ask: Ask) -> Any:
        """Call the real adapter for the worker; raises ``RelayRefused`` where that is not allowed.

        ``ask`` shows a prompt that waits for a person.
        Whatever else it raises is the adapter's failure and is reported to the worker.
        """

    def offered(self, offers: msg.Offers) -> None:
        """Take note of the commands that the worker says its profile offers."""

    def worker_ended(self) -> None:
        """Undo what a worker may have left behind on the adapter."""

    async def notify(self, text: str) -> bool:
        """Tell the people in the conversation something; say whether there was a way to."""

    def note_works(self, turn_id: str, works: Sequence[str]) -> None:
        """Remember what lives in a turn's worker, also for a gateway that comes after this one.

        No works: there is nothing to remember any more.
        """


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message for the session, ready for the pipe.

    ``files`` are its attachments' paths, ``received`` is the monotonic time of its arrival,
    ``refusal`` what the gateway's rules answer to a command in it, if they forbid it.
    """

    fields: Mapping[str, Any]
    source: Mapping[str, Any]
    files: Sequence[Path] = ()
    received: float = field(default_factory=time.monotonic)
    refusal: str | None = None
    sticker: msg.Sticker | None = None


class Verdict(enum.Enum):
    """What became of a message that was offered to a turn's worker."""

    ACCEPTED = enum.auto()
    REFUSED = enum.auto()  # untouched: the worker was leaving
    LOST = enum.auto()  # the worker ended before it took it


class Halt(enum.Enum):
    """What became of a turn that was told to stop."""

    OBEYED = enum.auto()  # Hermes has dealt with it, and nothing of what it stopped runs
    CUT_OFF = enum.auto()  # Hermes has said so, but something ran on: the tree was ended
    ENDED = enum.auto()  # the worker did not react at all: the tree was ended
    REFUSED = enum.auto()  # the worker was leaving: the command was not touched


@dataclass(slots=True)
class _Offer:
    accepted: anyio.Event = field(default_factory=anyio.Event)
    handled: anyio.Event = field(default_factory=anyio.Event)
    verdict: Verdict = Verdict.LOST
    halted: bool = False


class Post(Protocol):
    """Sends for workers to where their profile may send; independent of any conversation."""

    async def reach(self, sender: Sender) -> msg.Reach:
        """Return what a worker is told about where it may send."""

    async def carry(
        self, sender: Sender, message: msg.Deliver | msg.React, spool: Spool
    ) -> dict[str, Any]:
        """Do what a worker asks for; raises ``RelayRefused`` where that is not allowed."""

    def settle(self, profile: str, sent: list[msg.Settled]) -> None:
        """Remember what was sent for a worker that died before it could note that."""


@dataclass(frozen=True, slots=True)
class Host:
    """What all turns of a gateway have in common."""

    workers: Workers
    post: Post
    desk: Desk = field(default_factory=Desk)


class Turn:
    """One worker process and the session that it serves.

    ``answered`` is set when the reply is delivered and the state saved, or when that will not
    happen any more; ``ended`` when the process and all its tree are gone.
    """

    def __init__(
        self, conversation: Conversation, settings: Settings, host: Host, *, received: float
    ) -> None:
        self.id = uuid.uuid4().hex[:8]
        self.conversation = conversation
        self.answered = anyio.Event()
        self.ended = anyio.Event()
        self.failure: RouterError | None = None
        self._settings = settings
        self._host = host
        self._order = host.workers.order(conversation.profile, settings)
        self._worker: WorkerProcess | None = None
        self._returncode: int | None = None
        self._connected = anyio.Event()
        self._sending = anyio.Lock()
        self._calm = anyio.Lock()
        self._calls: Calls | None = None
        self._open = True
        self._stopping = False
        self._left = False
        self._offers: dict[int, _Offer] = {}
        self._prompts = OpenPrompts(host.desk, self._tell, conversation.notify)
        self._works: tuple[str, ...] = ()
        self._reason = "its process was ended"
        self._last_id = 0
        self._accepted = 0
        self._prepared = False
        self._begun = time.monotonic()
        self._last_heard = self._begun
        self._since = time.time()
        self._sent: deque[str] = deque(maxlen=_SENT_REMEMBERED)
        self._last_word = self._released = self._begun
        self._hit = False
        self._phases = {"queue": self._begun - received}

    @property
    def open(self) -> bool:
        """May messages still be offered to the worker?"""
        return self._open

    @property
    def resident(self) -> bool:
        """Does the worker only live for work that outlives the turn?"""
        return self._open and self.answered.is_set()

    @property
    def phases(self) -> dict[str, float]:
        """What has been reached so far, each with its seconds since the turn began."""
        return dict(self._phases)

    # -- messages for the worker ---------------------------------------------------------------

    async def offer(
        self, inbound: Inbound, *, until_handled: bool = False, answer: bool = False
    ) -> Verdict:
        """Hand a message to the worker and say whether it took it.

        With ``until_handled`` the call returns when Hermes's adapter is through with the message:
        a command's answer is sent then. With ``answer`` the worker takes it only if the session
        waits for one.
        """
        async with self._calm:  # while the turn is told to stop, nobody knows who will answer
            pass
        offer = _Offer()
        await self._offer(offer, inbound, until_handled=until_handled, answer=answer)
        return offer.verdict

    async def _offer(
        self, offer: _Offer, inbound: Inbound, *, until_handled: bool, answer: bool = False
    ) -> None:
        await self._connected.wait()
        if not self._open or self._worker is None:
            offer.verdict = Verdict.REFUSED
            return
        self._last_id += 1
        number = self._last_id
        self._offers[number] = offer
        try:
            async with self._sending:
                await self._send_event(self._worker, number, inbound, answer=answer)
            await offer.accepted.wait()
            if until_handled and offer.verdict is Verdict.ACCEPTED:
                await offer.handled.wait()
        except OSError:
            offer.verdict = Verdict.LOST
        finally:
            del self._offers[number]

    async def halt(self, command: Inbound) -> Halt:
        """Hand the worker a command to stop, and see that nothing of the turn runs on.

        First it is Hermes's to obey. What still runs after ``timeouts.stop`` is ended with its
        whole process tree. A message that arrives meanwhile waits for that.
        """
        offer = _Offer()
        async with self._calm:
            with anyio.move_on_after(self._settings.timeouts.stop):
                await self._offer(offer, command, until_handled=True)
                if offer.verdict is Verdict.REFUSED:
                    return Halt.REFUSED
                if offer.halted:
                    await self.answered.wait()
                return Halt.OBEYED
            logger.warning("turn %s: it did not stop; its process tree is ended", self.id)
            self._reason = "it was stopped"
            await self.kill()
            return Halt.CUT_OFF if offer.handled.is_set() else Halt.ENDED

    async def _send_event(
        self, worker: WorkerProcess, number: int, inbound: Inbound, *, answer: bool
    ) -> None:
        files = [await self._send_file(worker, path) for path in inbound.files]
        fields, source = dict(inbound.fields), dict(inbound.source)
        await worker.send(
            msg.Event(
                id=number,
                answer=answer,
                fields=fields,
                source=source,
                files=files,
                refusal=inbound.refusal,
                sticker=inbound.sticker,
            )
        )

    async def _send_file(self, worker: WorkerProcess, path: Path) -> msg.FileRef:
        self._last_id += 1
        stream, size = self._last_id, 0
        async with await anyio.open_file(path, "rb") as file:
            while data := await file.read(msg.CHUNK_BYTES):
                size += len(data)
                await worker.send(msg.Chunk(stream=stream, data=data))
        return msg.FileRef(stream=stream, name=path.name, size=size)

    async def stop(self, reason: str) -> None:
        """Ask the worker to interrupt its work, to save, and to leave; then see that it does."""
        self._stopping, self._reason = True, reason
        with anyio.move_on_after(self._settings.timeouts.stop):
            await self._connected.wait()
            if self._worker is not None:
                with contextlib.suppress(OSError):
                    await self._worker.send(msg.Finish(reason=reason))
            await self.ended.wait()
            return
        await self.kill()

    async def kill(self) -> None:
        """End the worker's whole tree and wait until nothing of it runs."""
        self._stopping = True
        if self._worker is not None:
            self._worker.terminate()
        await self.ended.wait()

    # -- the life of the worker ----------------------------------------------------------------

    async def run(self) -> None:
        """Start the worker, serve it until it ends, and clean up."""
        spool = Spool(limit=self._settings.limits.file_bytes, addresses=self._settings.online)
        log = -1
        try:
            log = await anyio.to_thread.run_sync(open_log, self._order)
            await self._live(log, spool)
        except RouterError as error:
            self.failure = self._over_limit() or error
        except Exception as error:
            logger.exception("turn %s failed", self.id)
            self.failure = RouterError(f"the router failed: {error!r}")
        finally:
            with anyio.CancelScope(shield=True):
                await self._close(log, spool)

    async def _live(self, log: int, spool: Spool) -> None:
        try:
            worker = self._worker = await self._start()
        finally:
            self._log(log, "begin", self._who())
        self._prepared = worker.prepared
        patience = 0.0
        try:
            with _one_error():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._watch)
                    hello = await self._connect(worker)
                    self._log(log, "worker", {"pid": hello.pid, "hermes": hello.hermes})
                    await self._serve(worker, spool)
                    tasks.cancel_scope.cancel()
            patience = self._settings.timeouts.stop
        finally:
            self._open = False
            self._prompts.end()
            self._returncode = await worker.end(patience=patience)
            self._phase("gone")
        self._judge()

    async def _start(self) -> WorkerProcess:
        worker = await self._host.workers.start(self._order, self._settings.warm)
        self._phase("start")
        return worker

    async def _connect(self, worker: WorkerProcess) -> msg.Hello:
        """Wait for the hello and tell the worker its session."""
        times = self._settings.timeouts
        hello = await self._first_message(worker)
        self._check(hello)
        start = self.conversation.start_message(
            turn_id=self.id,
            heartbeat=times.silence / 4,
            linger=times.post_turn,
            reach=await self._host.post.reach(self.conversation.sender),
        )
        try:
            await worker.send(start)
        except OSError as error:
            raise WorkerDied("the worker ended before it was told its session") from error
        self._connected.set()
        return hello

    async def _first_message(self, worker: WorkerProcess) -> msg.Hello:
        async for message in worker.messages():
            if isinstance(message, msg.Hello):
                return message
            raise ProtocolError(f"the worker began with {_op(message)}, not with hello")
        raise WorkerStartError("the worker ended before it said hello")

    def _check(self, hello: msg.Hello) -> None:
        if hello.protocol != msg.PROTOCOL_VERSION:
            raise WrongVersion(
                f"the worker speaks protocol {hello.protocol}, this gateway {msg.PROTOCOL_VERSION}",
                hint="restart the gateway after hermes-router was updated",
            )
        if hello.profile != self.conversation.profile.name:
            raise ProtocolError(f"the worker says that it is {one_line(repr(hello.profile), 100)}")

    async def _serve(self, worker: WorkerProcess, spool: Spool) -> None:
        async with anyio.create_task_group() as calls:
            do = functools.partial(self._do, spool=spool)
            served = self._calls = Calls(do, worker, turn_id=self.id)
            async for message in worker.messages():
                self._last_heard = time.monotonic()
                if isinstance(message, Request):
                    self._note_call(message, served.count(worker.frame_bytes))
                    await served.begin(message, worker.frame_bytes, calls)
                elif isinstance(message, msg.Chunk):
                    await anyio.to_thread.run_sync(spool.append, message)
                    del message  # its memory is free before the next one is read
                elif isinstance(message, msg.Owes):
                    self._note_works(message.works)
                elif isinstance(message, msg.Hit):
                    calls.start_soon(self._tell_of, message)
                elif isinstance(message, msg.Offers):
                    self.conversation.offered(message)
                else:
                    self._note(message)

    def _note_call(self, call: Request, said_bytes: int) -> None:
        """Note that the worker says something, which is all that it has said in ``said_bytes``."""
        if not isinstance(call, msg.Call) or call.method not in _SILENT_CALLS:
            self._last_word = time.monotonic()
        if 0 < self._settings.limits.output_bytes < said_bytes:
            raise self._limit_error("output_bytes")

    def _note(self, message: msg.FromWorker) -> None:
        match message:
            case msg.Accepted() | msg.Refused() | msg.Handled():
                self._settle(message)
            case msg.Idle(resident=resident):
                self._release(resident=resident)
            case msg.Leaving():
                self._open = False
                self._released = time.monotonic()
                self._left = True
                self._prompts.end()
            case msg.Resolved() | msg.Closed():
                self._prompts.note(message)
            case msg.Ready(phases=phases) if "ready" not in self._phases:
                for name, seconds in phases.items():
                    self._phases.setdefault(_phase_name(f"ready.{name}", self._phases), seconds)
                self._phase("ready")
            case msg.Mark(name=name):
                self._phase(_phase_name(name, self._phases))
            case msg.Failed(error=error, traceback=text):
                raise WorkerDied(f"the worker failed: {one_line(error)}", detail=text)
            case msg.Alive():
                pass
            case _:
                raise ProtocolError(f"the worker sent {_op(message)} where it makes no sense")

    def _settle(self, message: msg.Accepted | msg.Refused | msg.Handled) -> None:
        """Tell who offered a message what became of it; nobody may be waiting for that any more."""
        if message.event > self._last_id:
            raise ProtocolError(f"the worker answered event {message.event}, which nobody sent")
        offer = self._offers.get(message.event)
        if isinstance(message, msg.Accepted) and self.answered.is_set():
            self.answered = anyio.Event()
        if offer is None:
            return
        if isinstance(message, msg.Handled):
            offer.halted = message.halted
            offer.handled.set()
            return
        accepted = isinstance(message, msg.Accepted)
        self._accepted += accepted
        offer.verdict = Verdict.ACCEPTED if accepted else Verdict.REFUSED
        offer.accepted.set()

    def _release(self, *, resident: bool) -> None:
        """Free the lane, for the reply is out; or keep it bound while the worker is resident."""
        self._phase("reply")
        self._released = time.monotonic()
        self._open = resident and not self._left
        self._last_word = time.monotonic()
        self.answered.set()

    def _note_works(self, works: list[str]) -> None:
        """Remember what lives in the worker; what it says is clipped, it may be anything."""
        shown = [one_line(work, _WORK_LETTERS) for work in works[:_MOST_WORKS]]
        if len(works) > _MOST_WORKS:
            shown.append(f"{len(works) - _MOST_WORKS} more")
        if tuple(shown) != self._works:
            self._works = tuple(shown)
            self.conversation.note_works(self.id, self._works)

    async def _tell_of(self, hit: msg.Hit) -> None:
        """Tell the people, once, that a program ran into a limit that ends nobody."""
        allowed = self._settings.limits.open_files
        if hit.limit != OPEN_FILES or not allowed or self._hit:
            return
        self._hit = True
        who = self.conversation.profile.name
        logger.warning("turn %s of %s reached limits.open_files, %d", self.id, who, allowed)
        await self._say(refused_files(allowed, self.id))

    def _note_sent(self, call: Request, value: Any) -> None:
        """Remember the name of a text that went out: the worker may die before it notes that."""
        sent = isinstance(value, dict) and value.get("success")
        if sent and isinstance(call, msg.Deliver):
            where = (call.platform, call.chat_id, call.thread_id)
            self._sent.append(name_of(*where, call.text))
        elif sent and isinstance(call, msg.Call) and call.method == "send":
            origin = self.conversation.sender.origin or Place("")
            where = (origin.platform, origin.chat_id or "", origin.thread_id)
            self._sent.append(name_of(*where, str(call.args.get("content", ""))))

    async def _do(self, call: Request, spool: Spool) -> Any:
        if isinstance(call, msg.Call):
            ask = functools.partial(self._prompts.ask, call.id)
            value = await self.conversation.execute(call.method, call.args, spool, ask)
        else:
            value = await self._host.post.carry(self.conversation.sender, call, spool)
        self._note_sent(call, value)
        return value

    async def _tell(self, message: msg.Message) -> None:
        if self._worker is None:
            raise BrokenPipeError("there is no worker")
        await self._worker.send(message)

    async def _watch(self) -> None:
        """End a worker that gives no sign of life, never gets ready, or exceeds the turn's time."""
        times = self._settings.timeouts
        step = min(1.0, *(limit / 4 for limit in (times.start, times.silence, times.turn) if limit))
        while True:
            await anyio.sleep(step)
            now = time.monotonic()
            if "ready" not in self._phases:
                if now - self._begun > times.start:
                    raise self._timeout("start", times.start)
            elif self._calls is not None and self._calls.held_up:
                self._last_heard = now  # nobody listens before the platform has done its part
            elif now - self._last_heard > times.silence:
                raise self._timeout("silence", times.silence)
            if times.turn and not self.answered.is_set() and now - self._begun > times.turn:
                raise self._timeout("turn", times.turn)
            if self.answered.is_set():
                self._watch_the_rest(now - self._last_word)

    def _watch_the_rest(self, quiet: float) -> None:
        """End what stays after the answer: idle residents, and who does not leave by itself."""
        times = self._settings.timeouts
        if self._open and times.idle and quiet > times.idle:
            raise self._timeout("idle", times.idle)
        if self._open and 0 < times.resident < time.monotonic() - self._released:
            raise self._timeout("resident", times.resident)
        if not self._open and time.monotonic() - self._released > times.post_turn + _POST_TURN_MORE:
            raise self._timeout("post_turn", times.post_turn)

    def _timeout(self, phase: str, seconds: float) -> WorkerTimeout:
        return WorkerTimeout(
            f"the worker exceeded timeouts.{phase}, {seconds:g} s", phase=phase, seconds=seconds
        )

    def _judge(self) -> None:
        returncode = self._returncode
        over_limit = self._over_limit()
        if over_limit is not None:
            raise over_limit
        if self._stopping:
            return
        if self._left and self.answered.is_set():
            seconds = self._settings.timeouts.post_turn
            self._reason = f"it took longer than allowed (post_turn: {seconds:g} s)"
            return
        if returncode != 0:
            raise WorkerDied(
                f"the worker ended with {exit_text(returncode)}", returncode=returncode
            )
        if not self.answered.is_set():
            raise WorkerDied("the worker left without finishing its turn", returncode=returncode)

    def _over_limit(self) -> WorkerOverLimit | None:
        limit = None if self._stopping else limit_of(self._returncode)
        return None if limit is None else self._limit_error(limit)

    def _limit_error(self, limit: str) -> WorkerOverLimit:
        allowed = getattr(self._settings.limits, limit)
        return WorkerOverLimit(
            f"the worker exceeded limits.{limit}, {allowed:.0f}", limit=limit, allowed=allowed
        )

    # -- the end -------------------------------------------------------------------------------

    async def _close(self, log: int, spool: Spool) -> None:
        unanswered = not self.answered.is_set() and not self._stopping
        told = isinstance(self.failure, WrongVersion) or is_told_in_any_case(self.failure)
        if self._accepted == 0 and self._prepared and not told:
            # A prepared process that died costs a start, no more: who offers will offer again.
            logger.warning("turn %s: its prepared worker was lost: %s", self.id, self.failure)
            self.failure, unanswered = None, False
        self._open = False
        self._connected.set()
        for offer in self._offers.values():
            offer.accepted.set()
            offer.handled.set()
        if self.failure is not None:
            logger.error("turn %s of %s: %s", self.id, self.conversation.profile.name, self.failure)
        if log >= 0:
            self._log_end(log)
            os.close(log)
        await anyio.to_thread.run_sync(spool.close)
        if self._returncode != 0:
            until = time.time()
            sent = [msg.Settled(name=name, since=self._since, until=until) for name in self._sent]
            self._host.post.settle(self.conversation.profile.name, sent)
        try:
            self.conversation.worker_ended()
        except Exception:
            logger.exception("turn %s: what its worker left behind could not be undone", self.id)
        await self._account(unanswered=unanswered)
        self.answered.set()
        self.ended.set()

    async def _account(self, *, unanswered: bool) -> None:
        """Tell what became of the turn, and of the work that ended with its worker."""
        why = why_ended(self.failure, self._reason)
        if self._works:
            who, works = self.conversation.profile.name, "; ".join(self._works)
            logger.warning("turn %s of %s: ended, because %s: %s", self.id, who, why, works)
        if unanswered or is_told_in_any_case(self.failure):
            await self._apologise(answered=not unanswered)
        if self._works and await self._say(ended_works(self._works, why, self.id)):
            self.conversation.note_works(self.id, ())

    async def _apologise(self, *, answered: bool) -> None:
        await self._say(notice(self.failure, self.id, answered=answered))

    async def _say(self, text: str) -> bool:
        try:
            return await self.conversation.notify(text)
        except Exception:
            logger.exception("turn %s: a notice could not be delivered", self.id)
            return False

    def _who(self) -> dict[str, object]:
        """Return what a turn's header line says; its pid is the supervisor's."""
        worker = self._worker
        return {
            "profile": self.conversation.profile.name,
            "session": self.conversation.key,
            "launcher": self._settings.launcher,
            "start": "none" if worker is None else "prepared" if worker.prepared else "cold",
            "pid": "none" if worker is None else worker.pid,
        }

    def _phase(self, name: str) -> None:
        self._phases.setdefault(name, time.monotonic() - self._begun)

    def _log(self, log: int, what: str, fields: Mapping[str, object]) -> None:
        write_line(log, what, {"turn": self.id, **fields})

    def _log_end(self, log: int) -> None:
        fields: dict[str, object] = {"exit": exit_text(self._returncode)}
        if self.failure is not None:
            fields["failure"] = self.failure.message
        if self._works:
            fields["ended"] = "; ".join(self._works)
        self._log(log, "end", fields | self._phases)


@contextlib.contextmanager
def _one_error() -> Iterator[None]:
    """Raise one error where a task group raises a group: the project's own if there is one."""
    try:
        yield
    except BaseExceptionGroup as group:
        errors = list(_leaves(group))
        raise next((e for e in errors if isinstance(e, RouterError)), errors[0]) from group


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _phase_name(name: str, known: Mapping[str, float]) -> str:
    """Return the name of a phase that a worker chose; raises ``ProtocolError`` on a bad one."""
    if _PHASE.fullmatch(name) is None or len(known) >= _MOST_PHASES:
        raise ProtocolError(f"the worker named a phase {one_line(repr(name), 100)}")
    return name


def _op(message: msg.Message) -> str:
    return type(message).__name__.lower()
