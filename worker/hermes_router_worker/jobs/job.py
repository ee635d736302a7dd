"""Do one job of the profile instead of serving a session: cron, maintenance, listing commands."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import EndOfFrames, FrameError
from hermes_router_worker.hermes.cron import cron_lock, cron_run, cut_off
from hermes_router_worker.hermes.features import menu
from hermes_router_worker.hermes.paths import current_home
from hermes_router_worker.hermes.session import background
from hermes_router_worker.jobs import maintenance
from hermes_router_worker.process.connection import Connection
from hermes_router_worker.send import engine
from hermes_router_worker.send.server import serve_children
from hermes_router_worker.send.transport import Gateway
from hermes_router_worker.session.background import Background
from hermes_router_worker.session.turn_mark import mark_log_lines

logger = logging.getLogger(__name__)

_CHECK_SECONDS = 0.05

#: Seconds in which a job that is cut off may still send a message; its gateway kills it soon after.
_LAST_WORDS_SECONDS = 3.0

#: Seconds between two looks whether another run has begun meanwhile.
_CUT_OFF_AGAIN_SECONDS = 0.25

_CUT_OFF = "Interrupted by gateway shutdown before the run finished."


class JobWork:
    """Does one job, from the gateway's ``job`` message to this worker's last message.

    ``runner`` is Hermes's gateway runner, ``link`` the pipe to the gateway. When ``finish`` is set,
    the worker must end: a job that still runs is cut off, and recorded as failed.
    """

    def __init__(self, runner: Any, link: Connection, job: msg.Job, finish: asyncio.Event) -> None:
        self._runner = runner
        self._link = link
        self._job = job
        self._finish = finish
        self._stop = threading.Event()
        self._record: cron_run.Record | None = None
        self._loop = asyncio.get_running_loop()
        self._transport = Gateway(link, self._loop)

    async def run(self) -> None:
        """Do the job, send its outcome to the gateway, and return when this process may end.

        :mod:`hermes_router_worker.lifecycle` calls it once. Background processes and delegated
        tasks of the job may go on for ``linger`` seconds; the place where the job delivers is told
        which ones end then.

        Raises:
            Exception: the job failed in a way that its outcome does not cover; the worker reports
                it.
        """
        mark_log_lines(self._job.turn)
        engine.install(self._transport, self._job.delivery_scope)
        cron_lock.sign_as_this_process()
        children = serve_children(self._link, self._job.delivery_scope)
        tasks = [asyncio.create_task(work) for work in (children, self._read(), self._beat())]
        try:
            result = await self._do()
            await self._link.send(msg.Ended(outcome=result.outcome, detail=result.detail))  # type: ignore[arg-type]
            await self._link.send(msg.Idle())
            await self._until_finished()
            await self._link.send(msg.Draining())
        finally:
            for task in tasks:
                task.cancel()

    async def _do(self) -> cron_run.Result:
        if self._job.kind == "upkeep":
            return await self._keep_up()
        if self._job.kind == "menu":
            return await self._list_commands()
        work = asyncio.ensure_future(asyncio.to_thread(self._blocking))
        if await self._cut_off(work):
            await self._interrupt(work)
            self._stop.set()
        return await work

    async def _interrupt(self, work: asyncio.Future[Any]) -> None:
        """Let no run begin; record all runs as cut off, also a run that is just beginning."""
        if self._record is None:
            self._stop.set()
        cut: list[str] = []
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        while not work.done() and time.monotonic() < deadline:
            cut += await asyncio.to_thread(cut_off.interrupt, _CUT_OFF, cut)
            await asyncio.wait({work}, timeout=_CUT_OFF_AGAIN_SECONDS)

    async def _list_commands(self) -> cron_run.Result:
        offers = await asyncio.to_thread(menu.offers, self._job.id, "")
        if offers is None:
            return cron_run.Result("failed", "this Hermes has no menu for the platform")
        await self._link.send(offers)
        return cron_run.Result("done", f"{len(offers.commands)} commands")

    async def _keep_up(self) -> cron_run.Result:
        scope = self._job.delivery_scope
        work = maintenance.Upkeep(self._runner, self._transport, scope, self._stop)
        task = asyncio.ensure_future(work.run())
        await self._cut_off(task)
        self._stop.set()
        return await task

    async def _cut_off(self, work: asyncio.Future[Any]) -> bool:
        """Wait until ``work`` is done or the worker must end; return whether it is not done."""
        told = asyncio.ensure_future(self._finish.wait())
        await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        return not work.done()

    def _blocking(self) -> cron_run.Result:
        if self._job.lost is not None:
            return cron_run.Result(*cut_off.record_lost(self._job.id, self._job.lost))
        result = cron_run.run(self._job.id, self._begin, self._stop)
        maintenance.hasten(current_home())
        return result

    def _begin(self, record: cron_run.Record) -> None:
        """Tell the gateway, from the thread of the work, before the job runs."""
        self._record, name = record, str(record.get("name") or record["id"])
        telling = self._link.send(msg.Begun(name=name))
        asyncio.run_coroutine_threadsafe(telling, self._loop).result(10)

    async def _until_finished(self) -> None:
        """Wait for the job's background processes and delegations, at most ``linger`` seconds."""
        deadline = time.monotonic() + self._job.linger
        while time.monotonic() < deadline and not self._finish.is_set():
            if not (background.processes_running() or background.delegations_running()):
                return
            await asyncio.sleep(_CHECK_SECONDS)
        works = Background(self._runner).works(busy=False)
        with contextlib.suppress(OSError):
            await self._link.send(msg.BackgroundWork(works=works))
        if works and self._record is not None:
            await self._name_in_the_topic(self._record, "; ".join(works))

    async def _name_in_the_topic(self, record: cron_run.Record, works: str) -> None:
        """Tell the place where the job delivers which background work ends with this process.

        If the gateway is stopping, the message is left in the ledger for the next gateway to send.
        """
        if self._finish.is_set():
            why, say = "the gateway stopped", cut_off.owe
        else:
            why = f"it took longer than allowed (post_turn: {self._job.linger:g} s)"
            say = cut_off.tell
        name = record.get("name") or record["id"]
        text = f"⚠️ Background work of cron job {name!r} was ended, because {why}: {works}."
        try:
            undelivered = await asyncio.to_thread(say, record, text)
        except Exception:  # boundary: Hermes delivers, by any platform
            logger.exception("the notice about the job's background work failed")
            return
        if undelivered:
            logger.warning(
                "the notice about the job's background work was not delivered: %s", undelivered
            )

    async def _read(self) -> None:
        try:
            while True:
                message = await self._link.receive()
                if isinstance(message, msg.Result):
                    self._link.answer(message)
                elif isinstance(message, msg.Finish):
                    self._finish.set()
        except (EndOfFrames, FrameError):
            self._link.close()
            self._finish.set()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._job.heartbeat)
            with contextlib.suppress(OSError):
                await self._link.send(msg.Heartbeat())
