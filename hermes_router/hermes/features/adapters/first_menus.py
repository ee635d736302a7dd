"""What profiles offer in menus to which nobody has written yet.

A worker says after a turn what its profile offers. A profile that is kept warm is asked before,
once: by a job worker that is forked from what is prepared anyway. Whoever writes first is served
first, and tells it as well. A profile that is not kept warm, or wants no upkeep, gets no process
before its first turn.
"""

from __future__ import annotations

import asyncio
from typing import Any

import anyio

from hermes_router import tasks
from hermes_router.hermes.compat import seams
from hermes_router.hermes.features.adapters.menus import ChatMenus
from hermes_router.hermes.features.jobs import Jobs
from hermes_router.jobs.scheduler import Member
from hermes_router.protocol import messages as msg
from hermes_router.workers.pool import WorkerPool

#: Seconds between two rounds through the profiles, and rounds: what is to be kept warm is by then.
_PAUSE = 10.0
_ROUNDS = 6


class FirstMenus:
    """Asks the profiles of one gateway; ``begin`` anew when the routes change."""

    def __init__(self, runner: Any, menus: ChatMenus, workers: WorkerPool, jobs: Jobs) -> None:
        self._runner = runner
        self._menus = menus
        self._workers = workers
        self._jobs = jobs
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Ask, beside the messages, whoever is kept warm and has not said yet what it offers."""
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._ask(), name="hermes-router-first-menus")

    async def stop(self) -> None:
        """Ask nobody any more."""
        await tasks.cancel(self._task)

    async def _ask(self) -> None:
        await seams.until_running(self._runner)
        for _round in range(_ROUNDS):
            await anyio.sleep(_PAUSE)
            silent = [
                (member, platform)
                for member in await self._jobs.members()
                if member.settings.jobs.upkeep
                for platform in self._menus.silent(member.profile.name)
            ]
            for member, platform in silent:
                if self._workers.prepared(member.profile.name):
                    await self._ask_one(member, platform)
            if not silent:
                return

    async def _ask_one(self, member: Member, platform: str) -> None:
        name = member.profile.name

        def heard(offers: msg.Commands) -> None:
            self._menus.offered(name, platform, offers)

        await self._jobs.look_up_menu(member, platform, heard)
