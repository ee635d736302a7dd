"""Serve one session: from its start message until nothing of it is left in this process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router.protocol.limits import OPEN_FILES
from hermes_router_worker.hermes.features import menu, skills
from hermes_router_worker.hermes.features.wakeups import RecurringPrompts
from hermes_router_worker.hermes.session import continuation, queues, transcripts
from hermes_router_worker.hermes.session.wiring import wrap_message_handler
from hermes_router_worker.hermes.startup import provider_answers, speedups
from hermes_router_worker.home import session_state
from hermes_router_worker.home.delegations import restore_delegations
from hermes_router_worker.home.transcripts import take_back_first
from hermes_router_worker.process import title
from hermes_router_worker.process.connection import Connection
from hermes_router_worker.send import engine
from hermes_router_worker.send.server import serve_children
from hermes_router_worker.send.transport import Gateway
from hermes_router_worker.session import left_out, refusals
from hermes_router_worker.session.activity import Activity
from hermes_router_worker.session.adapter import build_adapter
from hermes_router_worker.session.background import Background
from hermes_router_worker.session.debts import Debts
from hermes_router_worker.session.event_receiver import EventReceiver, SessionActions
from hermes_router_worker.session.model_requests import before_model_requests
from hermes_router_worker.session.model_runs import ModelRuns
from hermes_router_worker.session.progress import Progress, follow_streams
from hermes_router_worker.session.runs import Runs
from hermes_router_worker.session.turn_mark import mark_log_lines
from hermes_router_worker.startup import session_wiring

logger = logging.getLogger(__name__)

Handle = Callable[[Any], Awaitable[Any]]

_CHECK_SECONDS = 0.05
_TELL_SECONDS = 0.2
#: A gateway waits ``timeouts.stop`` for a worker's end: 5 s if nothing else is configured.
_INTERRUPT_SECONDS = 4.0
_HAND_OVER_SECONDS = 1.0
_TAKE_BACK_SECONDS = 2.0


class Session:
    """Serves the session of this worker; make it in the running loop, from the start message.

    ``runner`` is Hermes's gateway runner, ``link`` the pipe. The caller sets ``finish`` on SIGTERM,
    the receiver when the gateway says so or the pipe ends: then the worker interrupts what runs,
    and ends.
    """

    def __init__(
        self, runner: Any, link: Connection, start: msg.Start, profile: str, finish: asyncio.Event
    ) -> None:
        mark_log_lines(start.turn)
        provider_answers.trust_answers()
        self._runner = runner
        self._link = link
        self._start = start
        self._profile = profile
        self._finish = finish
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._told: list[str] = []
        self._results_adopted = False
        self._wakeup: float | None = -1.0  # so None is reported too: the last worker may have died
        self._menu = (start.platform, start.menu)
        self._progress = Progress(link)
        self._adapter = build_adapter(start, link, runner.config, self._progress, self._changed.set)
        self._transport = Gateway(link, self._loop)
        self._debts = Debts(self._transport, start.delivery_scope.platforms)
        engine.install(self._transport, start.delivery_scope)
        self._background = Background(runner)
        session_wiring.attach(runner, self._adapter)
        self._memory = session_state.attach(
            runner, self._adapter, start.session_key, without=self._progress.knows
        )
        self._progress.attach(self._adapter)
        follow_streams()
        speedups.end_streams_at_once()
        refusals.explain(profile)
        refusals.report_open_files(self._hit_open_files)
        runs = Runs(runner)
        before_model_requests(self._asks_model, applies=runs.in_turn_thread)
        judged = ModelRuns(runner, self._say_later)
        name_failures = partial(judged.naming_failures, turn_id=start.turn)
        wrap_message_handler(
            runner, self._adapter, lambda handle: self._noting_commands(name_failures(handle))
        )
        self._prompts = RecurringPrompts(runner, self._adapter, start.session_key)
        self._owed = Activity(runner, self._adapter, runs, self._background)
        self._receiver = EventReceiver(
            link,
            self._adapter,
            runs,
            self._progress,
            SessionActions(
                adopt=partial(session_wiring.adopt_session, runner, start.session_key),
                wake=self._prompts.fire,
                failed=judged.hermes_failed,
                clicked=self._memory.save_settings,
                left_out=partial(left_out.tell, self._adapter, start.turn),
            ),
            changed=self._changed,
            finish=finish,
        )

    async def run(self) -> None:
        """Serve the session; return when this process may end.

        :mod:`hermes_router_worker.lifecycle` calls it once. It returns after the last message and
        the background work are done, or soon after ``finish`` is set.

        Raises:
            OSError: the pipe to the gateway broke before the worker could report to be idle.
        """
        self._link.before_call = self._tell_works_now
        beside = (
            serve_children(self._link, self._start.delivery_scope),
            self._read(),
            self._beat(),
            self._close_prompts(),
            self._tell_works(),
        )
        tasks = [asyncio.create_task(work) for work in beside]
        try:
            await self._until_done()
        finally:
            self._receiver.open = False
            self._link.leaving = True
            with contextlib.suppress(OSError):
                await self._link.send(msg.Draining())
            for task in tasks:
                task.cancel()

    async def _read(self) -> None:
        await take_back_first(self._runner, self._start.session_key, _TAKE_BACK_SECONDS)
        await self._receiver.read()

    # -- how long it lives ---------------------------------------------------------------------

    async def _until_done(self) -> None:
        """Return when the messages are answered and no work needs this process any more."""
        await self._first_event()
        while self._receiver.open:
            await self._until_idle()
            speedups.resume_collector()
            await self._adopt_results()
            cut_off = False
            if self._finish.is_set():
                cut_off = await self._interrupt()
            else:
                await self._background.pass_on()
                await self._tell_wakeup()
                await self._progress.tell()
                # A message may have come, a report, or a stop. From here nothing is awaited.
                if self._working() or self._finish.is_set():
                    continue
            self._receiver.open = self._owed.resident() and not self._finish.is_set()
            await self._save_and_tell(cut_off=cut_off)
            if self._finish.is_set():
                await self._tell_wakeup()  # the database may be slow; all else is safe by now
            await self._pay_debts()
            await self._tell_commands()
            if self._receiver.open:
                self._show("resident")
                await self._until_wanted()
                self._show("busy")
        await self._until_finished()

    async def _adopt_results(self) -> None:
        """Take over what delegated tasks of the session left for it, once, after the first reply.

        Hermes then reports it in the chat. Nothing is done in a worker that has to end: the results
        stay in the database.
        """
        if self._results_adopted or self._finish.is_set():
            return
        self._results_adopted = True
        try:
            await asyncio.to_thread(restore_delegations, self._start.session_key)
        except Exception:  # boundary: the database may be locked; the next worker looks again
            logger.warning("results of delegated tasks cannot be looked up", exc_info=True)

    async def _save_and_tell(self, *, cut_off: bool) -> None:
        """Save the state, and tell the gateway that all is done.

        The session's next worker may begin then. Of what waits, the session keeps what the gateway
        does not know. Another worker serves the rest.

        Raises:
            OSError: the pipe is closed.
        """
        self._memory.save()
        transcripts.spool(self._runner.session_store)
        self._progress.gave_back()  # what fails while the message is sent, the next one gives back
        await self._link.send(msg.Idle(resident=self._receiver.open, cut_off=cut_off))

    def _noting_commands(self, handle: Handle) -> Handle:
        """Return a message handler like ``handle``; what a command sets outlives this worker.

        A command may come in mid-turn, and the worker may die before it is idle. One that an
        earlier worker left queued is begun in no other worker then.
        """

        async def handle_and_note(event: Any) -> Any:
            if event.is_command():
                self._memory.note_command(event)
            answer = await handle(event)
            if event.is_command():
                self._memory.save_settings()
                await self._tell_wakeup()
            return answer

        return handle_and_note

    async def _tell_wakeup(self) -> None:
        """Tell the gateway when the session's next recurring prompt is due."""
        try:
            at = await asyncio.to_thread(self._prompts.next_due)
        except Exception:  # boundary: the database may be locked; the next turn reports it
            logger.warning("the session's next wake-up cannot be looked up", exc_info=True)
            return
        if at != self._wakeup:
            self._wakeup = at
            with contextlib.suppress(OSError):
                await self._link.send(msg.NextWakeup(at=at))

    async def _pay_debts(self) -> None:
        """Send unsent replies of the profile's dead workers, once; nothing waits for that."""
        if not self._finish.is_set():
            self._debts.pay()
        while not (self._debts.paid() or self._working() or self._finish.is_set()):
            await self._pause()

    async def _tell_commands(self) -> None:
        """Tell the gateway which commands the profile offers in the chat's menu, if it is news."""
        platform, known = self._menu
        if self._finish.is_set():
            return
        try:
            await asyncio.to_thread(skills.keep_first)
            if known is None:
                return
            offers = await asyncio.to_thread(menu.offers, platform, known)
        except Exception:  # boundary: Hermes reads people's files; a menu is worth a log line
            logger.warning("the profile's commands could not be listed", exc_info=True)
            return
        if offers is not None:
            self._menu = (platform, offers.of)
            await self._link.send(offers)

    async def _first_event(self) -> None:
        while (
            not self._receiver.handling()
            and not self._finish.is_set()
            and not self._changed.is_set()
        ):
            await self._pause()

    async def _until_idle(self) -> None:
        while self._working() and not self._finish.is_set():
            await self._pause()
            await self._progress.tell()
            if self._receiver.handling() or self._finish.is_set():
                continue
            queued = self._memory.next_queued()
            if queued is not None:
                self._receiver.begin_queued(queued)

    async def _until_wanted(self) -> None:
        """As a resident worker: wait for the next message, or for the end of the session's work."""
        while not (self._working() or self._finish.is_set()) and self._owed.resident():
            await self._background.pass_on()
            await self._pause()

    def _working(self) -> bool:
        """Say whether a message is on its way to Hermes, or Hermes works on one or has one wait."""
        return self._receiver.handling() or self._owed.busy()

    def _show(self, role: str) -> None:
        """Let ``ps`` show what this process does."""
        title.show(self._profile, role, self._start.turn, place_of(self._start))

    async def _until_finished(self) -> None:
        deadline = time.monotonic() + self._start.linger
        while self._owed.finishing() and time.monotonic() < deadline and not self._finish.is_set():
            await self._pause()
        await self._tell(self._owed.works() if self._finish.is_set() else self._owed.unfinished())
        while not self._debts.paid():
            await self._pause()

    async def _interrupt(self) -> bool:
        """Interrupt what runs as a gateway that shuts down does, and let it send its last text.

        It takes some seconds at most. Returns whether the next gateway is to continue what ran.
        """
        deadline = time.monotonic() + _INTERRUPT_SECONDS
        left = bool(self._receiver.coming)  # messages that Hermes does not get any more
        cut_off = self._receiver.resumes and (left or self._working())
        await self._until_handed()
        await self._progress.tell_last(self._hold)
        self._memory.save()  # what is held is nowhere else, and the mark may fail
        marked = not cut_off or await self._mark()
        queues.interrupt(self._runner, continuation.interrupt_reason())
        while self._owed.busy() and time.monotonic() < deadline:
            marked = marked or await self._mark()
            await self._pause()
        return cut_off

    async def _mark(self) -> bool:
        return await continuation.mark(self._runner, self._start.session_key)

    async def _until_handed(self) -> None:
        """Wait, but not long, until Hermes has what it is being handed: then it can be stopped."""
        deadline = time.monotonic() + _HAND_OVER_SECONDS
        while self._receiver.handing() and time.monotonic() < deadline:
            await self._pause()

    def _hold(self) -> None:
        """Keep Hermes from beginning a message: none that waits, and none on its way to it."""
        self._memory.hold_queue(self._receiver.coming)

    async def _pause(self) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), _CHECK_SECONDS)

    # -- what the gateway is told --------------------------------------------------------------

    async def _tell_works(self) -> None:
        """Keep the gateway informed about work that would end with this process."""
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            await self._tell_works_now()

    async def _tell_works_now(self) -> None:
        """Report background work before people see it: they must then hear of its end."""
        await self._progress.tell()
        if self._receiver.open:
            await self._tell(self._owed.works())

    async def _tell(self, works: list[str]) -> None:
        if works != self._told:
            self._told = works
            with contextlib.suppress(OSError):
                await self._link.send(msg.BackgroundWork(works=works))

    def _asks_model(self) -> None:
        """Wait until the gateway has noted that the model is asked; called in a turn's thread.

        Raises:
            CancelledError: the gateway is gone, or this worker ends, and another one serves the
                message. The turn ends without asking the model.
        """
        speedups.resume_collector()
        noting = self._note_begun()
        try:
            asyncio.run_coroutine_threadsafe(noting, self._loop).result()
        except Exception as error:
            noting.close()  # if the loop had ended
            raise asyncio.CancelledError("another worker serves the message") from error

    async def _note_begun(self) -> None:
        await self._progress.note_begun()
        self._memory.note_begun(self._receiver.coming)

    def _hit_open_files(self) -> None:
        """Tell the gateway that the limit of open files was hit; may be called from any thread."""
        self._say_later(msg.LimitReached(limit=OPEN_FILES))

    def _say_later(self, message: msg.Message) -> None:
        """Send the gateway a message; may be called from any thread."""
        asyncio.run_coroutine_threadsafe(self._link.send(message), self._loop)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._start.heartbeat)
            await self._link.send(msg.Heartbeat())

    async def _close_prompts(self) -> None:
        """Tell the gateway of prompts that were answered by a typed word, or timed out."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            for number in self._adapter.prompts.take_closed():
                await self._link.send(msg.Closed(call=number))


def place_of(start: msg.Start) -> str:
    """Return a start message's conversation as ``platform:chat_id:thread_id``, for logs and ``ps``.

    The thread is left out if there is none, and the chat if the message names no conversation.
    """
    origin = start.delivery_scope.origin
    if origin is None:
        return start.platform
    return ":".join(filter(None, (origin.platform, origin.chat_id, origin.thread_id)))
