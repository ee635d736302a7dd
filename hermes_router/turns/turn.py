"""The life of one worker: from its start over the turns' messages to its end.

A :class:`Turn` never raises: whatever its worker does - dies, hangs, floods, lies - ends in its
``failure``, a line in the worker log and, if the person in the chat would otherwise wait for
nothing, a notice there.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import uuid
from collections.abc import Callable

import anyio
import anyio.abc
import anyio.to_thread

from hermes_router.config.settings import Settings
from hermes_router.errors import RouterError, WorkerDied, WrongVersion, one_error
from hermes_router.protocol import messages as msg
from hermes_router.relay.attachments import Spool
from hermes_router.turns.notices import is_told_in_any_case, notice, why_ended
from hermes_router.turns.ports import Conversation, TurnServices
from hermes_router.turns.purpose import ForMessages, Purpose
from hermes_router.turns.story import Story
from hermes_router.turns.worker.event_sender import DeliveryResult, EventSender, PendingEvent
from hermes_router.turns.worker.worker_session import WorkerSession, greet
from hermes_router.turns.worker.worker_state import WorkerState
from hermes_router.workers.process import WorkerProcess
from hermes_router.workers.turn_log import TurnLog
from hermes_router.workers.worker_log import exit_text

logger = logging.getLogger(__name__)


class Halt(enum.Enum):
    """What became of a turn that was told to stop."""

    OBEYED = enum.auto()  # Hermes has dealt with it, and nothing of what it stopped runs
    CUT_OFF = enum.auto()  # Hermes has said so, but something ran on: the tree was ended
    ENDED = enum.auto()  # the worker did not react at all: the tree was ended
    REFUSED = enum.auto()  # the worker was leaving: the command was not touched


class Turn:
    """One worker process and the session that it serves.

    ``ended`` is set when the process and all its tree are gone, ``failure`` says why it failed.
    ``stopping``: the worker was told to go.
    """

    def __init__(
        self,
        conversation: Conversation,
        settings: Settings,
        services: TurnServices,
        *,
        received: float,
        purpose: Purpose | None = None,
    ) -> None:
        self.id = uuid.uuid4().hex[:8]
        self.conversation = conversation
        self.ended = anyio.Event()
        self.failure: RouterError | None = None
        self._settings = settings
        self._services = services
        self._purpose = purpose or ForMessages()
        self._order = services.workers.order(conversation.profile, settings)
        self._worker: WorkerProcess | None = None
        self._returncode: int | None = None
        self._calm = anyio.Lock()
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
        self.stopping = self._resumes = False
        self._reason = "its process was ended"

    @property
    def answered(self) -> anyio.Event:
        """Set when the reply is delivered and the state saved, or that will not happen any more."""
        return self._session.answered

    @property
    def open(self) -> bool:
        """May messages still be offered to the worker?"""
        return self._session.state.takes_messages

    @property
    def resident(self) -> bool:
        """Does the worker only live for work that outlives the turn?"""
        return self._session.state is WorkerState.RESIDENT

    def told_of(self, inbound: EventSender) -> bool:
        """Say whether the notice about the turn's failure was for a message that it never took.

        It is for the messages that were taken, else for the one that the worker was started for.
        """
        return self._told and not self._receiver.taken.count and self._receiver.first is inbound

    @property
    def phases(self) -> dict[str, float]:
        """What has been reached so far, each with its seconds since the turn began."""
        return dict(self._log.phases)

    @property
    def pid(self) -> int | None:
        """The worker's process, which is its supervisor's; None before there is one."""
        return None if self._worker is None else self._worker.pid

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return self._log.age

    def when_waiting(self, told: Callable[[bool], None]) -> None:
        """Have ``told`` called when the turn begins to wait for a person, and when it goes on."""
        self._session.prompts.when_waiting = told

    # -- what it is asked for ------------------------------------------------------------------

    async def offer(
        self, inbound: EventSender, *, until_handled: bool = False, answer: bool = False
    ) -> DeliveryResult:
        """Hand a message to the worker and say whether it took it.

        With ``until_handled`` the call returns when Hermes's adapter is through with the message:
        a command's answer is sent then. With ``answer`` the worker takes it only if the session
        waits for one.
        """
        async with self._calm:  # while the turn is told to stop, nobody knows who will answer
            pass
        offer = PendingEvent(inbound, answer=answer)
        await self._receiver.offer(offer, until_handled=until_handled)
        return offer.verdict

    async def halt(self, command: EventSender) -> Halt:
        """Hand the worker a command to stop, and see that nothing of the turn runs on.

        First it is Hermes's to obey. What still runs after ``timeouts.stop`` is ended with its
        whole process tree. A message that arrives meanwhile waits for that.
        """
        offer = PendingEvent(command)
        async with self._calm:
            with anyio.move_on_after(self._settings.timeouts.stop):
                await self._receiver.offer(offer, until_handled=True)
                if offer.verdict is DeliveryResult.REFUSED:
                    return Halt.REFUSED
                if offer.halted:
                    await self.answered.wait()
                return Halt.OBEYED
            logger.warning("turn %s: it did not stop; its process tree is ended", self.id)
            self._reason = "it was stopped"
            await self.kill()
            return Halt.CUT_OFF if offer.handled.is_set() else Halt.ENDED

    async def stop(self, reason: str, *, resume: bool = False) -> None:
        """Ask the worker to interrupt its work, to save, and to leave; then see that it does.

        With ``resume`` the gateway stops, and the next one goes on with what is interrupted.
        """
        self.stopping, self._reason = True, reason
        self._resumes = self._resumes or resume
        with anyio.move_on_after(self._settings.timeouts.stop):
            await self._receiver.connected.wait()
            with contextlib.suppress(OSError):
                await self._tell(msg.Finish(reason=reason, resume=resume))
            await self.ended.wait()
            return
        await self.kill()

    async def kill(self) -> None:
        """End the worker's whole tree and wait until nothing of it runs."""
        self.stopping = True
        if self._worker is not None:
            self._worker.terminate()
        await self.ended.wait()

    async def _tell(self, message: msg.Message) -> None:
        if self._worker is None:
            raise BrokenPipeError("there is no worker")
        await self._worker.send(message)

    # -- the life of the worker ----------------------------------------------------------------

    async def run(self) -> None:
        """Start the worker, serve it until it ends, and clean up."""
        spool = Spool(limit=self._settings.limits.file_bytes, addresses=self._settings.online)
        try:
            await self._log.open(self._order)
            await self._live(spool)
        except RouterError as error:
            self.failure = self._over_limit() or error
        except Exception as error:
            logger.exception("turn %s failed", self.id)
            self.failure = RouterError(f"the router failed: {error!r}")
        finally:
            with anyio.CancelScope(shield=True):
                await self._close(spool)

    async def _live(self, spool: Spool) -> None:
        try:
            worker = self._worker = await self._purpose.start(
                self._services.workers, self._order, self._settings.warm
            )
            self._log.reached("start")
            self.story.start = "prepared" if worker.prepared else "cold"
        finally:
            self._log.line("begin", self._who())
        patience = 0.0
        try:
            with one_error():
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._session.keep_watch)
                    hello = await self._connect(worker)
                    self._log.line("worker", {"pid": hello.pid, "hermes": hello.hermes})
                    await self._session.serve(worker, spool)
                    tasks.cancel_scope.cancel()
            patience = self._settings.timeouts.stop
        finally:
            last = self._session.hush()
            self._returncode = await worker.end(patience=patience)
            self._log.reached("gone")
        self._judge(last)

    async def _connect(self, worker: WorkerProcess) -> msg.Hello:
        """Wait for the hello and tell the worker its session."""
        times = self._settings.timeouts
        hello = await greet(worker, self.conversation.profile.name)
        start = self.conversation.start_message(
            turn_id=self.id,
            heartbeat=times.silence / 4,
            linger=times.post_turn,
            delivery_scope=await self._services.delivery.delivery_scope(self.conversation.sender),
        )
        try:
            await worker.send(start)
        except OSError as error:
            raise WorkerDied("the worker ended before it was told its session") from error
        self._receiver.connect(worker)
        self._purpose.greeted(hello)
        return hello

    # -- the end -------------------------------------------------------------------------------

    def _judge(self, last: WorkerState) -> None:
        """Raise what the end of the process means, if it should not have ended so.

        ``last`` is the state in which the worker was heard last.
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
            raise WorkerDied("the worker left without finishing its turn", returncode=returncode)

    def _over_limit(self) -> RouterError | None:
        return None if self.stopping else self._session.watch.over_limit(self._returncode)

    async def _close(self, spool: Spool) -> None:
        self.failure = self._purpose.judge(self.failure)
        served = self.answered.is_set() or self._receiver.taken.served
        unanswered = not served and not self.stopping
        if self._loss_costs_nothing():
            logger.warning("turn %s: its prepared worker was lost: %s", self.id, self.failure)
            self.failure, unanswered = None, False
            self.story.forget()
        self._told = unanswered or is_told_in_any_case(self.failure)
        self._session.hush()  # where no worker came to be
        self._receiver.close(stopped=self._resumes)
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
        await anyio.to_thread.run_sync(spool.close)
        if self._returncode != 0:
            self._services.delivery.settle(
                self.conversation.profile.name, self._session.sent.settled()
            )
        try:
            self.conversation.worker_ended()
        except Exception:
            logger.exception("turn %s: what its worker left behind could not be undone", self.id)
        await self._account(unanswered=unanswered)
        self._session.let_go()
        self.ended.set()

    def _loss_costs_nothing(self) -> bool:
        """Did a prepared process die without a message? Who offered one will offer it again."""
        prepared = self._worker is not None and self._worker.prepared
        told = isinstance(self.failure, WrongVersion) or is_told_in_any_case(self.failure)
        untaken = self._purpose.offered_again and self._receiver.accepted == 0
        return prepared and untaken and not told

    async def _account(self, *, unanswered: bool) -> None:
        """Tell what became of the turn, and of the work that ended with its worker."""
        why = why_ended(self.failure, self._reason)
        self._telling.log_ended_works(why)
        if self._told and self._purpose.tells_people:
            await self._telling.say(notice(self.failure, self.id, answered=not unanswered))
        await self._telling.say_ended_works(why)

    def _who(self) -> dict[str, object]:
        """Return what a turn's header line says; its pid is the supervisor's."""
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
