"""Serving one session, or doing one job: from the start message to the end of the process."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import functools
import importlib
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import EndOfFrames, FrameError
from hermes_router.protocol.limits import OPEN_FILES
from hermes_router.protocol.template import PREPARE_MCP
from hermes_router_worker import (
    board,
    bootstrap,
    browser,
    jobs,
    memory,
    menu,
    outbound,
    place,
    preload,
    quicken,
    refusals,
    skills,
    startup,
    stickers,
    supervisor,
    wiring,
)
from hermes_router_worker.adapter import build_adapter
from hermes_router_worker.background import Background
from hermes_router_worker.counter import serve_children
from hermes_router_worker.events import Attachments, build_event
from hermes_router_worker.gateway_rules import note_refusal
from hermes_router_worker.link import Link
from hermes_router_worker.obligations import redeliver
from hermes_router_worker.owed import Owed
from hermes_router_worker.prompts import Prompts
from hermes_router_worker.runs import Runs
from hermes_router_worker.shared_home import guards
from hermes_router_worker.transport import Gateway

logger = logging.getLogger(__name__)

_CHECK_SECONDS = 0.05
_TELL_SECONDS = 0.2
_INTERRUPT_SECONDS = 5.0
_DEBT_SECONDS = 60.0


def main(
    profile: str, inbound: int, outbound: int, *, forked: bool, share_auth: bool = False
) -> int:
    """Run a worker of ``profile`` over the two descriptors; return the process's exit status.

    ``forked``: the process was forked by a template, which has become the profile already.
    ``share_auth``: it may use the logins of Hermes's root home.
    """
    worker = _Worker(profile, Link(inbound, outbound), forked=forked, share_auth=share_auth)
    return asyncio.run(worker.run())


def report_model_requests(asks: Callable[[], None]) -> None:
    """Call ``asks()`` when Hermes is about to ask the model for the first time.

    Hermes then looks whether somebody hooks ``pre_api_request``. To hook it would have Hermes copy
    the whole request, so that its question is taken for the moment. An older Hermes, which does not
    ask, is hooked.
    """
    plugins: Any = importlib.import_module("hermes_cli.plugins")
    waiting = [asks]

    def once(**_details: Any) -> None:
        if waiting:
            waiting.pop()()

    ask = getattr(plugins, "has_hook", None)
    if ask is None:
        hooks = getattr(plugins.get_plugin_manager(), "_hooks", {})
        hooks.setdefault("pre_api_request", []).append(once)
        return

    def has_hook(hook_name: str) -> bool:
        if hook_name == "pre_api_request":
            once()
        return bool(ask(hook_name))

    plugins.has_hook = has_hook


def _look_ahead() -> None:
    """Use the time until there is a message."""
    with contextlib.suppress(Exception):  # the turn will ask again, and report what fails
        preload.ask_provider()


def _interrupt_reason() -> str:
    """Return the words by which Hermes knows an interruption that no person sent.

    Any other text it takes for a message, and answers.
    """
    from gateway import run

    return str(getattr(run, "_INTERRUPT_REASON_GATEWAY_SHUTDOWN", "Gateway shutting down"))


class _Worker:
    def __init__(self, profile: str, link: Link, *, forked: bool, share_auth: bool) -> None:
        self._forked = forked
        self._share_auth = share_auth
        self._profile = profile
        self._link = link
        self._finish = asyncio.Event()
        self._accepting = True
        self._handling = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._told: list[str] = []

    async def run(self) -> int:
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGTERM, self._finish.set)
        faulthandler.register(signal.SIGUSR1)  # where it hangs, for who reads the worker log
        try:
            await self._link.send(self._hello())
            await (self._wait_ready() if self._forked else self._start_cold())
        except (EndOfFrames, FrameError, BrokenPipeError):
            return 0  # the gateway is gone; there is nobody to report to
        except BaseException as error:
            await self._report(error)
            raise
        finally:
            self._link.close()
        return 0

    def _hello(self) -> msg.Hello:
        router, hermes = bootstrap.versions()
        return msg.Hello(
            protocol=msg.PROTOCOL_VERSION,
            router=router,
            hermes=hermes,
            python=sys.version.partition(" ")[0],
            pid=os.getpid(),
            profile=self._profile,
        )

    async def _wait_ready(self) -> None:
        """Build the runner, then wait for the session that it will belong to."""
        preload.resume_logging()
        ahead = os.environ.pop(PREPARE_MCP, "") == "1"
        runner = await self._build(imported=0.0, mcp=ahead)
        if not preload.look_ahead_beside(_look_ahead):
            await asyncio.to_thread(_look_ahead)
        first = await self._first_message()
        supervisor.tell_work_begins()
        if first is not None and not ahead:
            # A copy of each server that waits costs memory, and may lock what is there once.
            await asyncio.to_thread(startup.discover_mcp, runner)
        await self._work(runner, first)

    async def _start_cold(self) -> None:
        """Become the profile while a message waits; what can be done beside that, is."""
        begun = time.monotonic()
        quicken.pause_collector()
        bootstrap.become_profile(self._profile, share_auth=self._share_auth)
        quicken.everything()
        imported = time.monotonic() - begun
        first = await self._first_message()
        if isinstance(first, msg.Start):
            preload.look_ahead_beside(_look_ahead)
        runner = None if first is None else await self._build(imported=imported)
        await self._work(runner, first)

    async def _work(self, runner: Any, first: msg.Start | msg.Job | None) -> None:
        if isinstance(first, msg.Job):
            quicken.resume_collector()
            await jobs.JobWork(runner, self._link, first, self._finish).run()
        elif first is not None:
            await self._serve(runner, first)

    async def _build(self, *, imported: float, mcp: bool = True) -> Any:
        """Return a runner, which yet belongs to no session; ``imported``: seconds that took."""
        begun = time.monotonic()
        runner = bootstrap.build_runner(mcp=mcp)
        browser.name_sessions(self._profile)
        board.sign(self._profile)
        skills.remember_reloads()
        built = time.monotonic() - begun
        await self._link.send(msg.Ready(phases={"import": imported, "build": built}))
        return runner

    async def _first_message(self) -> msg.Start | msg.Job | None:
        """Wait for the session or the job; None when the worker is told to go before it got one."""
        message = await self._link.receive()
        if isinstance(message, msg.Start | msg.Job):
            return message
        if isinstance(message, msg.Finish):
            return None
        raise TypeError(f"the first message must be start, not {type(message).__name__.lower()}")

    async def _serve(self, runner: Any, start: msg.Start) -> None:
        preload.trust_answers()
        guards.refresh(runner)
        adapter = build_adapter(start, self._link, runner.config, self._changed.set)
        self._transport = Gateway(self._link, self._loop)
        self._deliverable = start.reach.platforms
        self._menu = (start.platform, start.menu)
        outbound.install(self._transport, start.reach)
        self._background = Background(runner)
        wiring.attach(runner, adapter, session_key=start.session_key)
        self._adapter = adapter
        self._memory = memory.attach(runner, adapter, start.session_key)
        report_model_requests(self._asks_model)
        refusals.explain(self._profile)
        refusals.report_open_files(self._hit_open_files)
        self._runs = Runs(runner)
        owed = Owed(runner, adapter, self._runs, self._background)
        self._link.before_call = functools.partial(self._tell_works_now, owed)
        tasks = [
            asyncio.create_task(serve_children(self._link, start.reach)),
            asyncio.create_task(self._read(adapter)),
            asyncio.create_task(self._beat(start.heartbeat)),
            asyncio.create_task(self._close_prompts(adapter.prompts)),
            asyncio.create_task(self._tell_works(owed)),
        ]
        try:
            await self._until_done(runner, owed, start.linger)
        finally:
            self._accepting = False
            with contextlib.suppress(OSError):
                await self._link.send(msg.Leaving())
            for task in tasks:
                task.cancel()

    # -- what comes in -------------------------------------------------------------------------

    async def _read(self, adapter: Any) -> None:
        attachments = Attachments(Path(os.environ["TMPDIR"]))
        try:
            while True:
                message = await self._link.receive()
                if isinstance(message, msg.Result):
                    self._link.answer(message)
                elif isinstance(message, msg.Chunk):
                    attachments.append(message)
                elif isinstance(message, msg.Event):
                    await self._accept(message, adapter, attachments)
                elif isinstance(message, msg.Resolve):
                    self._begin(self._resolve(message, adapter))
                elif isinstance(message, msg.Finish):
                    self._finish.set()
        except (EndOfFrames, FrameError):
            self._link.close()
            self._finish.set()
        except Exception as error:
            # Nobody reads the pipe any more, so nothing can end well; the chat must be told.
            await self._report(error)
            self._finish.set()
            raise

    async def _accept(self, message: msg.Event, adapter: Any, attachments: Attachments) -> None:
        if not self._accepting or self._finish.is_set():
            await self._link.send(msg.Refused(event=message.id))
            return
        event = build_event(message, attachments)
        if message.answer and not adapter.waits_for_answer(event):
            await self._link.send(msg.Refused(event=message.id))
            return
        runner = adapter.gateway_runner
        note_refusal(runner, event, message.refusal)
        place.take_overheard(runner, event.source)
        place.apply_profile_settings(runner, event)
        await self._link.send(msg.Accepted(event=message.id))
        self._begin(self._handle(message, event, adapter))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that the worker must not leave before it is done."""
        self._handling += 1
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, message: msg.Event, event: Any, adapter: Any) -> None:
        try:
            if message.sticker is not None:
                await stickers.describe(event, message.sticker)
            await adapter.handle_message(event)
        except Exception:
            logger.exception("event %d failed", message.id)
        finally:
            self._handling -= 1
            self._changed.set()
        halted = event.is_command() and self._runs.take_halted()
        with contextlib.suppress(OSError):
            await self._link.send(msg.Handled(event=message.id, halted=halted))

    async def _handle_queued(self, event: Any) -> None:
        """Handle a message that an earlier worker of the session had taken and left queued."""
        try:
            await self._adapter.handle_message(event)
        except Exception:
            logger.exception("a queued message failed")
        finally:
            self._handling -= 1
            self._changed.set()

    async def _resolve(self, message: msg.Resolve, adapter: Any) -> None:
        try:
            resolved = await adapter.prompts.resolve(message)
            with contextlib.suppress(OSError):
                await self._link.send(resolved)
        finally:
            self._handling -= 1
            self._changed.set()

    # -- how long it lives ---------------------------------------------------------------------

    async def _until_done(self, runner: Any, owed: Owed, linger: float) -> None:
        """Return when the session's messages are answered and nothing owed is left."""
        await self._first_event()
        while self._accepting:
            await self._until_idle(owed)
            quicken.resume_collector()
            if self._finish.is_set():
                await self._interrupt(runner, owed)
            else:
                await self._background.pass_on()
                if owed.busy():
                    continue
            self._accepting = owed.resident() and not self._finish.is_set()
            self._memory.save()
            await self._link.send(msg.Idle(resident=self._accepting))
            await self._pay_debts()
            await self._tell_commands()
            if self._accepting:
                await self._until_wanted(owed)
        await self._until_finished(owed, linger)

    async def _pay_debts(self) -> None:
        """Send what dead workers of the profile owe, once; the lane does not wait for it."""
        platforms, self._deliverable = self._deliverable, []
        if platforms and not self._finish.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(redeliver(self._transport, platforms), _DEBT_SECONDS)

    async def _tell_commands(self) -> None:
        """Tell the gateway what the profile offers in the chat's menu, if that is news to it."""
        platform, known = self._menu
        if self._finish.is_set():
            return
        try:
            await asyncio.to_thread(skills.keep_first)
            if known is None:
                return
            offers = await asyncio.to_thread(menu.offers, platform, known)
        except Exception:  # boundary: Hermes reads what people wrote; a menu is worth a log line
            logger.warning("the profile's commands could not be listed", exc_info=True)
            return
        if offers is not None:
            self._menu = (platform, offers.of)
            await self._link.send(offers)

    async def _first_event(self) -> None:
        while not self._handling and not self._finish.is_set() and not self._changed.is_set():
            await self._pause()

    async def _until_idle(self, owed: Owed) -> None:
        while (self._handling or owed.busy()) and not self._finish.is_set():
            await self._pause()
            queued = None if self._handling else self._memory.next_queued()
            if queued is not None:
                self._begin(self._handle_queued(queued))

    async def _until_wanted(self, owed: Owed) -> None:
        """As a resident: wait for the next message, or for the owned work to end."""
        while not (self._handling or owed.busy() or self._finish.is_set()) and owed.resident():
            await self._background.pass_on()
            await self._pause()

    async def _until_finished(self, owed: Owed, linger: float) -> None:
        deadline = time.monotonic() + linger
        while owed.finishing() and time.monotonic() < deadline and not self._finish.is_set():
            await self._pause()
        await self._tell(owed.works() if self._finish.is_set() else owed.unfinished())

    async def _tell_works(self, owed: Owed) -> None:
        """Keep the gateway informed of what would end with this process."""
        while True:
            await asyncio.sleep(_TELL_SECONDS)
            await self._tell_works_now(owed)

    async def _tell_works_now(self, owed: Owed) -> None:
        """Tell the gateway before it shows anything: who has read of a work is told of its end."""
        if self._accepting:
            await self._tell(owed.works())

    async def _tell(self, works: list[str]) -> None:
        if works != self._told:
            self._told = works
            with contextlib.suppress(OSError):
                await self._link.send(msg.Owes(works=works))

    async def _interrupt(self, runner: Any, owed: Owed) -> None:
        """End what runs the way a gateway that shuts down does, and let it say its last words."""
        self._memory.hold_queue()
        runner._interrupt_running_agents(_interrupt_reason())
        deadline = time.monotonic() + _INTERRUPT_SECONDS
        while owed.busy() and time.monotonic() < deadline:
            await self._pause()

    async def _pause(self) -> None:
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), _CHECK_SECONDS)

    def _asks_model(self) -> None:
        """Note the first model request; it may be on any thread."""
        quicken.resume_collector()
        self._mark("model_request")

    def _mark(self, name: str) -> None:
        """Tell the gateway of a moment; may be used from any thread."""
        asyncio.run_coroutine_threadsafe(self._link.send(msg.Mark(name=name)), self._loop)

    def _hit_open_files(self) -> None:
        """Tell the gateway; may be used from any thread."""
        hit = self._link.send(msg.Hit(limit=OPEN_FILES))
        asyncio.run_coroutine_threadsafe(hit, self._loop)

    async def _beat(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._link.send(msg.Alive())

    async def _close_prompts(self, prompts: Prompts) -> None:
        """Tell the gateway of prompts that were answered by a typed word, or timed out."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            for number in prompts.take_closed():
                await self._link.send(msg.Closed(call=number))

    async def _report(self, error: BaseException) -> None:
        text = "".join(traceback.format_exception(error))
        with contextlib.suppress(OSError):
            await self._link.send(msg.Failed(error=repr(error), traceback=text[-8000:]))
