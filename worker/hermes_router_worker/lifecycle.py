"""The life of a worker process: it becomes ready, cold or in advance, and does one work.

That work is a session (:mod:`.session`) or a job (:mod:`.jobs`). Begin here to read the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import os
import signal
import sys
import time
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import EndOfFrames, FrameError
from hermes_router.protocol.template import PREPARE_MCP
from hermes_router_worker.hermes.features import kanban, skills
from hermes_router_worker.hermes.startup import logs, provider_answers, speedups
from hermes_router_worker.hermes.startup.steps import discover_mcp
from hermes_router_worker.jobs import job
from hermes_router_worker.process import supervisor, title
from hermes_router_worker.process.connection import Connection
from hermes_router_worker.session.session import Session, place_of
from hermes_router_worker.startup import bootstrap


def main(
    profile: str, inbound: int, outbound: int, *, forked: bool, share_auth: bool = False
) -> int:
    """Run a worker of ``profile`` over the two descriptors; return the process's exit status.

    ``forked`` says that a template forked this process, so that Hermes already runs as the profile.
    ``share_auth`` lets the worker use the logins of Hermes's root home. The status is 0 also if the
    gateway is gone.

    Raises:
        BaseException: the worker failed; the gateway has got a report.
    """
    worker = _Worker(profile, Connection(inbound, outbound), forked=forked, share_auth=share_auth)
    return asyncio.run(worker.run())


def _look_ahead() -> None:
    """Ask the provider while there is no message yet."""
    with contextlib.suppress(Exception):  # the turn will ask again and report the error
        provider_answers.ask_provider()


def _show_work(profile: str, work: msg.Start | msg.Job) -> None:
    """Tell the supervisor and ``ps`` which work this process has."""
    if isinstance(work, msg.Job):
        role, what = "job", f"{work.kind}:{work.id}" if work.id else work.kind
    else:
        role, what = "busy", place_of(work)
    supervisor.tell_turn(work.turn, what)
    title.show(profile, role, work.turn, what)


class _Worker:
    def __init__(self, profile: str, link: Connection, *, forked: bool, share_auth: bool) -> None:
        self._forked = forked
        self._share_auth = share_auth
        self._profile = profile
        self._link = link
        self._finish = asyncio.Event()

    async def run(self) -> int:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._finish.set)
        faulthandler.register(signal.SIGUSR1)  # prints where it hangs into the worker log
        try:
            await self._link.send(self._hello())
            await (self._wait_ready() if self._forked else self._start_cold())
        except (EndOfFrames, FrameError, BrokenPipeError):
            return 0  # the gateway is gone; there is nobody to report to
        except BaseException as error:
            await self._link.report(error)
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
        logs.resume_logging()
        ahead = os.environ.pop(PREPARE_MCP, "") == "1"
        runner = await self._build(imported=0.0, mcp=ahead)
        title.show(self._profile, "ready")
        if not provider_answers.look_ahead_beside(_look_ahead):
            await asyncio.to_thread(_look_ahead)
        first = await self._first_message()
        supervisor.tell_work_begins()
        if first is not None and not ahead:
            # Each server of a waiting worker costs memory, and may lock something that exists once.
            await asyncio.to_thread(discover_mcp, runner)
        await self._work(runner, first)

    async def _start_cold(self) -> None:
        """Set up the profile while a message waits, with as much as possible in parallel."""
        begun = time.monotonic()
        speedups.pause_collector()
        bootstrap.become_profile(self._profile, share_auth=self._share_auth)
        speedups.everything()
        imported = time.monotonic() - begun
        first = await self._first_message()
        if isinstance(first, msg.Start):
            provider_answers.look_ahead_beside(_look_ahead)
        runner = None if first is None else await self._build(imported=imported)
        await self._work(runner, first)

    async def _work(self, runner: Any, first: msg.Start | msg.Job | None) -> None:
        if isinstance(first, msg.Job):
            speedups.resume_collector()
            await job.JobWork(runner, self._link, first, self._finish).run()
        elif first is not None and not self._finish.is_set():  # else a later worker has the session
            await Session(runner, self._link, first, self._profile, self._finish).run()

    async def _build(self, *, imported: float, mcp: bool = True) -> Any:
        """Return a runner that belongs to no session yet; ``imported``: seconds of the import."""
        begun = time.monotonic()
        runner = bootstrap.build_runner(mcp=mcp)
        kanban.sign(self._profile)
        skills.remember_reloads()
        built = time.monotonic() - begun
        await self._link.send(msg.Ready(phases={"import": imported, "build": built}))
        return runner

    async def _first_message(self) -> msg.Start | msg.Job | None:
        """Wait for the session or the job; return None if the worker must end before.

        Raises:
            TypeError: the first message is of another kind.
        """
        message = await self._link.receive()
        if isinstance(message, msg.Start | msg.Job):
            _show_work(self._profile, message)
            return message
        if isinstance(message, msg.Finish):
            return None
        raise TypeError(f"the first message must be start, not {type(message).__name__.lower()}")
