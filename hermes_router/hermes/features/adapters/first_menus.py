"""Look up which commands profiles offer before anybody has written to them.

A worker reports after a turn what its profile offers. A profile with prepared workers is asked
earlier, once: a job worker, forked from the prepared template, looks it up. If a person writes
first, that message is served first, and its turn reports the commands. A profile without prepared
workers, or without ``jobs.upkeep``, gets no process before its first turn.
"""

from __future__ import annotations

import asyncio
from typing import Any

import anyio

from hermes_router.base import tasks
from hermes_router.hermes.compat.seams import gateway_runner
from hermes_router.hermes.features.adapters.menus import ChatMenus
from hermes_router.hermes.features.jobs import Jobs
from hermes_router.jobs.scheduler import Member
from hermes_router.protocol import messages as msg
from hermes_router.workers.pool import WorkerPool

#: Seconds between two rounds through the profiles, and how many rounds. By then, workers are
#: prepared, also on a slow machine: one profile is prepared after the other.
_PAUSE = 10.0
_ROUNDS = 30


class FirstMenus:
    """Starts job workers that report which commands profiles offer, before anybody writes."""

    def __init__(self, runner: Any, menus: ChatMenus, workers: WorkerPool, jobs: Jobs) -> None:
        self._runner = runner
        self._menus = menus
        self._workers = workers
        self._jobs = jobs
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start a task that asks each profile with prepared workers and without a report so far.

        Call this again when the routes change: the earlier task is cancelled.
        """
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._ask(), name="hermes-router-first-menus")

    async def stop(self) -> None:
        """Cancel the task, because the gateway stops: no more profiles are asked."""
        await tasks.cancel(self._task)

    async def _ask(self) -> None:
        await gateway_runner.until_running(self._runner)
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
