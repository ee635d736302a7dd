"""The life of one worker: its start, the messages that it serves, and its end.

If the worker dies, hangs, sends too much or breaks the protocol, the error is in ``failure`` and in
the worker log. If a person in the chat waits for an answer that will not come, a notice is sent
there. :meth:`Turn.run` never raises.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import logging
from collections.abc import AsyncIterator, Callable

import anyio
import anyio.abc

from hermes_router.base.errors import (
    HermesUpdated,
    NeverReady,
    NotWanted,
    ProtocolError,
    RouterError,
    WorkerDied,
    WorkerStartError,
    WorkerTimeout,
    WrongVersion,
    one_error,
)
from hermes_router.base.tasks import Cancellable, in_thread
from hermes_router.config.settings import Settings
from hermes_router.protocol import messages as msg
from hermes_router.relay.attachments import Spool
from hermes_router.turns.head_start import HeadStart, start_message
from hermes_router.turns.notices import is_told_in_any_case, notice, why_ended
from hermes_router.turns.ports import Conversation, TurnServices
from hermes_router.turns.purpose import ForMessages, Purpose
from hermes_router.turns.story import Story, new_turn_id
from hermes_router.turns.worker.event_sender import DeliveryResult, InboundMessage, PendingEvent
from hermes_router.turns.worker.worker_session import WorkerSession, greet
from hermes_router.turns.worker.worker_state import WorkerState
from hermes_router.workers.code import running_code
from hermes_router.workers.patience import Patience
from hermes_router.workers.process import WorkerProcess
from hermes_router.workers.turn_log import TurnLog
from hermes_router.workers.worker_log import exit_text

logger = logging.getLogger(__name__)


class Halt(enum.Enum):
    """The result of a /stop command that :meth:`Turn.halt` has offered to the worker."""

    OBEYED = enum.auto()  # Hermes has handled the command, and the stopped work does not run
    CUT_OFF = enum.auto()  # Hermes has handled it, but work went on: the process tree was ended
    ENDED = enum.auto()  # the worker did not react: the process tree was ended
    REFUSED = enum.auto()  # the worker was leaving and did not accept the command


class Turn:
    """One worker process and the session that it serves.

    The dispatcher makes a turn, runs :meth:`run` as a task, and offers messages to it.

    Attributes:
        ended: an event that is set when the process and its whole process tree are gone.
        failure: the error of the turn, or None.
        owed: the notice about the error, if that could not be sent yet; see
            :meth:`Conversation.tell`.
        stopping: True once the gateway has told the worker to end.
        stopped: when a /stop arrived that ended the process tree, in monotonic seconds, or 0.
    """

    def __init__(
        self,
        conversation: Conversation,
        settings: Settings,
        services: TurnServices,
        *,
        received: float,
        purpose: Purpose | None = None,
        head_start: HeadStart | None = None,
    ) -> None:
        self.id = new_turn_id() if head_start is None else head_start.turn_id
        self.conversation = conversation
        self.ended = anyio.Event()
        self.failure: RouterError | None = None
        self.owed: asyncio.Future[bool] | None = None
        self._settings = settings
        self._services = services
        self._purpose = purpose or ForMessages()
        order = services.workers.order(conversation.profile, settings)
        self._order = dataclasses.replace(order, turn=self.id)
        self._head_start = head_start
        self._worker: WorkerProcess | None = None
        self._returncode: int | None = None
        self._calm = anyio.Lock()
        self._offers, self._none_offered = 0, anyio.Event()
        self._log = TurnLog(self.id, received=received)
        self.story = Story(self.id, conversation, received=received, note=services.note)
        self._session = WorkerSession(
            conversation,
            settings,
            services,
            turn_id=self.id,
            log=self._log,
            story=self.story,
            send=self._tell,
            else_noted=self._purpose.heard,
        )
        self._receiver, self._telling = self._session.receiver, self._session.telling
        self._told = False
        self._patience = Patience()
        self._life = Cancellable()
        self.stopped = 0.0
        self.stopping = self._resumes = False
        self._last = WorkerState.STARTING
        self._reason = "its process was ended"

    @property
    def answered(self) -> anyio.Event:
        """An event that is set while nobody waits for an answer of this turn.

        It is set when the reply is delivered and the state is saved, or when no reply will come.
        When a resident worker accepts a further message, this is a new event.
        """
        return self._session.answered

    @property
    def open(self) -> bool:
        """True if messages may still be offered to the worker: it starts, works or is resident."""
        return self._session.state.takes_messages

    @property
    def resident(self) -> bool:
        """True if all is answered, and the worker stays only for background work."""
        return self._session.state is WorkerState.RESIDENT

    @property
    def settled(self) -> bool:
        """True if all is answered, the worker stays, and no message is being offered to it.

        Only then may the turn go on in the chat of another bot of its session.
        """
        return self.resident and not self._offers

    async def until_settled(self) -> None:
        """Wait until nobody waits for an answer, and no message is being offered to the worker.

        A message to another bot of the same session waits for that.
        """
        while self._offers or not self.answered.is_set():
            await (self._none_offered if self._offers else self.answered).wait()

    @property
    def waiting(self) -> list[float]:
        """When each message that waits in the worker was accepted, in monotonic seconds.

        Such a message waits while the worker answers an earlier one.
        """
        return self._receiver.taken.waiting()

    @property
    def behind(self) -> int:
        """How many messages wait in the worker, or for it, behind the one that it works on.

        The dispatcher refuses a message if as many wait as may.
        """
        first = 0 if self._receiver.accepted else 1
        return self._receiver.taken.behind() + max(0, self._offers - first)

    @property
    def connected(self) -> bool:
        """True if the worker knows its session: it then decides on an offered message at once."""
        return self._receiver.connected.is_set()

    @property
    def sends_reply(self) -> bool:
        """True while the platform is sent the last part of a reply; the status shows this."""
        return self._session.sending

    @property
    def waits_for_person(self) -> bool:
        """True while the worker has shown an approval or a question that nobody has answered yet.

        The status shows this. Meanwhile the turn takes no slot, and a new message may be the
        answer.
        """
        return self._session.prompts.waits

    @property
    def left_to_next(self) -> bool:
        """True if the gateway stops: the next one serves what this turn has not begun."""
        return self._resumes

    def told_of(self, inbound: InboundMessage) -> bool:
        """Return True if this message got the notice about the turn's failure instead of an answer.

        The dispatcher asks this after a failed :meth:`offer`: if True, it tries no other worker. If
        the worker had accepted messages, the notice was for those. Else it was for the first
        message that the worker was offered.
        """
        return self._told and not self._receiver.taken.count and self._receiver.first is inbound

    @property
    def phases(self) -> dict[str, float]:
        """The phases that the turn has reached, each with the seconds since the turn began."""
        return dict(self._log.phases)

    @property
    def pid(self) -> int | None:
        """The process id of the worker's supervisor; None before there is a process."""
        return None if self._worker is None else self._worker.pid

    @property
    def age(self) -> float:
        """Seconds since the turn began, just before it started a worker or took a prepared one."""
        return self._log.age

    def when_waiting(self, told: Callable[[bool], None]) -> None:
        """Call ``told(True)`` when the turn begins to wait for a person, ``told(False)`` after.

        The dispatcher has the turn give its slot back meanwhile. A further call replaces ``told``.
        """
        self._session.prompts.when_waiting = told

    # -- commands of the dispatcher ------------------------------------------------------------

    async def offer(
        self, inbound: InboundMessage, *, until_handled: bool = False, answer: bool = False
    ) -> DeliveryResult:
        """Offer a message to the worker; return whether the worker accepted it.

        With ``until_handled`` the call returns when the worker's adapter has handled the message:
        then the answer to a command is sent. With ``answer`` the worker accepts the message only if
        an approval or a question waits for a person's answer. If the call fails or is cancelled,
        and the worker has no other message, the turn ends.

        Raises:
            CannotBeSent: the message is too long, or one of its files cannot be read.
        """
        offer = PendingEvent(inbound, answer=answer)
        inbound.track.given_to(self.id)
        async with self._offering():
            try:
                async with self._calm:  # wait for a stop that is under way: the worker may end
                    pass
                await self._receiver.offer(offer, until_handled=until_handled)
            except BaseException as error:
                if not self._receiver.needed:
                    self._withdraw(told=isinstance(error, Exception))
                raise
        return offer.verdict

    async def halt(self, command: InboundMessage) -> Halt:
        """Offer the worker a /stop command, and return when nothing of the turn goes on.

        Hermes in the worker gets ``timeouts.stop`` seconds to obey. If work still runs then, the
        worker's whole process tree is ended. Messages that arrive meanwhile wait for the result.
        """
        offer = PendingEvent(command)
        self._patience.lose()
        async with self._offering(), self._calm:
            with anyio.move_on_after(self._settings.timeouts.stop):
                await self._receiver.offer(offer, until_handled=True)
                if offer.verdict is DeliveryResult.REFUSED:
                    return Halt.REFUSED
                if not command.track.waiting:  # else its Hermes has not handled it
                    if offer.halted:
                        await self.answered.wait()
                    return Halt.OBEYED
            logger.warning("turn %s: it did not stop; the router ends its process tree", self.id)
            self._reason, self.stopped = "it was stopped", command.received
            await self.kill()
            obeyed = offer.handled.is_set() and not command.track.waiting
            return Halt.CUT_OFF if obeyed else Halt.ENDED

    async def stop(self, reason: str, *, resume: bool = False) -> None:
        """Tell the worker to interrupt its work, save its state and exit; return when it is gone.

        After ``timeouts.stop`` seconds its process tree is ended. With ``resume`` the gateway
        stops, and the next gateway continues the interrupted work. A notice about background work
        that ended says ``reason``.
        """
        self.stopping, self._reason = True, reason
        self._resumes = self._resumes or resume
        self._patience.give_up()
        with anyio.move_on_after(self._settings.timeouts.stop):
            await self._receiver.connected.wait()
            with contextlib.suppress(OSError):
                await self._tell(msg.Finish(reason=reason, resume=resume))
            await self.ended.wait()
            return
        await self.kill()

    async def kill(self) -> None:
        """End the worker's whole process tree, and wait until it is gone.

        People get no notice that their message was not answered: that is left to the caller.
        """
        self.stopping = True
        self._patience.give_up()
        # The start of its process may take long, and its supervisor may not react.
        with anyio.move_on_after(0.0 if self._worker is None else self._worker.terminate()):
            await self.ended.wait()
        self._life.cancel()
        await self.ended.wait()

    def _withdraw(self, *, told: bool) -> None:
        """End a turn that has lost its only message; with ``told`` the caller records that."""
        if told:
            self.story.forget()
        self.stopping, self._reason = True, "its message was withdrawn"
        self._patience.give_up()
        self._life.cancel()

    @contextlib.asynccontextmanager
    async def _offering(self) -> AsyncIterator[None]:
        """Count a message that is being offered in the block, from its very start."""
        if not self._offers:
            self._none_offered = anyio.Event()
        self._offers += 1
        try:
            yield
        finally:
            self._offers -= 1
            if not self._offers:
                self._none_offered.set()

    async def _tell(self, message: msg.Message) -> None:
        if self._worker is None:
            raise BrokenPipeError("there is no worker")
        await self._worker.send(message)

    # -- the life of the worker ----------------------------------------------------------------

    async def run(self) -> None:
        """Start the worker, handle all that it sends until it has ended, and send the notices.

        The dispatcher calls this once for each turn. It never raises: ``failure`` has the error
        afterwards, if there is one.
        """
        spool = Spool(limit=self._settings.limits.file_bytes, addresses=self._settings.online)
        try:
            await self._log.open(self._order)
            with self._life.block():
                await self._live(spool)
        except NotWanted:
            logger.info("turn %s: it was stopped before it had a worker", self.id)
        except RouterError as error:
            self.failure = self._over_limit() or error
        except Exception as error:
            logger.exception("turn %s failed", self.id)
            self.failure = RouterError(f"the router failed: {error!r}")
        finally:
            with anyio.CancelScope(shield=True):
                try:
                    await self._close(spool)
                except Exception:
                    logger.exception("turn %s: its end was not recorded in full", self.id)
                finally:  # otherwise the conversation would wait for this turn for ever
                    self._session.hush()
                    self._receiver.close(stopped=self._resumes)
                    self._session.let_go()
                    self.ended.set()

    async def _live(self, spool: Spool) -> None:
        try:
            start = await start_message(self.conversation, self._settings, self._services, self.id)
            worker = self._worker = await self._start(start)
            self._session.watch.begin()
            self._log.reached("start")
            self.story.start = "prepared" if worker.prepared else "cold"
        finally:
            self._log.line("begin", self._who())
        patience = 0.0
        try:
            if self._patience.given_up:  # else it would serve the message that was given up
                raise NotWanted("it was stopped while its worker was started")
            with one_error():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._session.keep_watch)
                    hello = await self._connect(worker, start)
                    self._log.line("worker", {"pid": hello.pid, "hermes": hello.hermes})
                    await self._session.serve(worker, spool)
                    tasks.cancel_scope.cancel()
            patience = self._settings.timeouts.stop
        finally:
            self._last = self._session.hush()
            self._returncode = await worker.end(patience=patience)
            self._log.reached("gone")
        self._judge(self._last)

    async def _start(self, start: msg.Start | msg.Job) -> WorkerProcess:
        """Return the worker that had a head start, if it may be used, or another one."""
        early, warm, patience = self._head_start, self._settings.warm, self._patience
        if early is not None and await early.claimed(start, self._order, warm):
            return early.worker
        self._head_start = None
        return await self._purpose.start(self._services.workers, self._order, warm, patience)

    async def _connect(self, worker: WorkerProcess, start: msg.Start | msg.Job) -> msg.Hello:
        """Wait for the worker's hello, tell it its session if need be, and return the hello."""
        hello = await greet(worker, self.conversation.profile.name)
        if not worker.prepared:  # an update may have come while it loaded its modules
            await running_code.check(self.conversation.profile.name)
        try:
            if self._head_start is None or self._head_start.told is None:
                await worker.send(start)
        except OSError as error:
            raise WorkerDied("the worker ended before it got its session") from error
        self._receiver.connect(worker)
        self._purpose.greeted(hello)
        return hello

    # -- the end -------------------------------------------------------------------------------

    def _judge(self, last: WorkerState) -> None:
        """Raise an error if the worker's process should not have ended as it did.

        ``last`` is the worker's state at its last message.

        Raises:
            WorkerOverLimit: a limit ended the process tree.
            WorkerDied: the process failed, or exited before it had answered.
        """
        over_limit = self._over_limit()
        if over_limit is not None:
            raise over_limit
        if self.stopping:
            return
        if last is WorkerState.DRAINED:
            seconds = self._settings.timeouts.post_turn
            self._reason = f"it took longer than allowed (post_turn: {seconds:g} s)"
            return
        returncode = self._returncode
        if returncode != 0:
            raise WorkerDied(
                f"the worker ended with {exit_text(returncode)}", returncode=returncode
            )
        if not last.answered:
            raise WorkerDied(
                "the worker ended before it had finished its turn", returncode=returncode
            )

    def _over_limit(self) -> RouterError | None:
        return None if self.stopping else self._session.watch.over_limit(self._returncode)

    async def _close(self, spool: Spool) -> None:
        """Give each message its outcome, record the turn's end, and send the notices."""
        self.failure = self._purpose.judge(await self._blame_update(self.failure))
        served = self.answered.is_set() or self._receiver.taken.served
        unanswered = not served and not self.stopping
        costs_nothing = self._loss_costs_nothing()
        await self._note_start(lost=costs_nothing)
        if costs_nothing:
            logger.warning("turn %s: its prepared worker was lost: %s", self.id, self.failure)
            self.failure, unanswered = None, False
            self.story.forget()
        self._told = unanswered or is_told_in_any_case(self.failure)
        self._session.hush()  # needed here if no worker was started
        self._receiver.close(stopped=self._resumes)
        try:
            await self._record_end(spool)
        except Exception:
            logger.exception("turn %s: its end was not recorded in full", self.id)
        await self._account(unanswered=unanswered)

    async def _record_end(self, spool: Spool) -> None:
        if self.failure is not None:
            logger.error("turn %s of %s: %s", self.id, self.conversation.profile.name, self.failure)
        self.story.ended(
            self.failure,
            exit_text(self._returncode),
            self._log.phases,
            reason=self._reason if self.stopping else "",
        )
        self._log_end()
        self._log.close()
        await in_thread(spool.close)
        if self._returncode != 0:
            self._services.delivery.note_delivered(
                self.conversation.profile.name, self._session.sent.settled()
            )
        try:
            self.conversation.worker_ended()
        except Exception:
            logger.exception("turn %s: the router could not clean up after its worker", self.id)

    async def _note_start(self, *, lost: bool) -> None:
        """Tell the pool if the worker never got ready: the next worker may fail in the same way.

        A prepared worker that was ``lost`` before it accepted a message counts as well. What a
        worker loads in the background may end it after it has said that it is ready.
        """
        if self._worker is None or self.stopping or isinstance(self.failure, HermesUpdated):
            return
        if not lost and self._last is not WorkerState.STARTING:
            return
        if isinstance(self.failure, WorkerDied | WorkerStartError | WorkerTimeout):
            await self._services.workers.never_ready(self._order, self.failure.message)
        if isinstance(self.failure, WorkerDied) and self._purpose.tells_people:
            self.failure = NeverReady(self.failure.message, detail=self.failure.detail)

    async def _blame_update(self, failure: RouterError | None) -> RouterError | None:
        """Return ``HermesUpdated`` if the worker accepted nothing and Hermes was updated on disk.

        Else return ``failure`` unchanged: the update is then not the cause.
        """
        lost = isinstance(failure, WorkerDied | WorkerStartError | ProtocolError)
        if lost and self._receiver.accepted == 0:
            try:
                await running_code.check(self.conversation.profile.name)
            except HermesUpdated as error:
                return error
        return failure

    def _loss_costs_nothing(self) -> bool:
        """Return True if a prepared worker died before it accepted a message.

        The dispatcher then offers the message to another worker, and people need no notice.
        """
        prepared = self._worker is not None and self._worker.prepared
        updated = isinstance(self.failure, HermesUpdated | WrongVersion)
        told = updated or is_told_in_any_case(self.failure)
        untaken = self._purpose.offered_again and self._receiver.accepted == 0
        return prepared and untaken and not told

    async def _account(self, *, unanswered: bool) -> None:
        """Send the notices about the turn's failure, and about background work that was ended."""
        why = why_ended(self.failure, self._reason)
        self._telling.log_ended_works(why)
        if self._told and self._purpose.tells_people:
            text = notice(self.failure, self.id, answered=not unanswered)
            self.owed = await self._telling.tell(text)
        await self._telling.say_ended_works(why)

    def _who(self) -> dict[str, object]:
        """Return the fields of the turn's first log line; ``pid`` is the supervisor's."""
        worker = self._worker
        return {
            "profile": self.conversation.profile.name,
            "session": self.conversation.key,
            "launcher": self._settings.launcher,
            "start": self.story.start,
            "pid": "none" if worker is None else worker.pid,
            **self._purpose.header(),
        }

    def _log_end(self) -> None:
        outcome = self._purpose.outcome()
        if outcome:
            self._log.line("job", outcome)
        fields: dict[str, object] = {"exit": exit_text(self._returncode), **self.story.summary()}
        if self.failure is not None:
            fields["failure"] = self.failure.message
        if self._telling.works:
            fields["ended"] = "; ".join(self._telling.works)
        self._log.end(fields)
