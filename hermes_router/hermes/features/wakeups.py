"""Waking sessions of routed profiles in time: their prompts that come back run in their workers.

Hermes looks for due loops and heartbeats in the gateway, and runs them there. Here the gateway only
knows the time. The worker that it starts asks Hermes what is due, and has it answered.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from hermes_router import tasks
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.errors import ConfigError, ProfileError
from hermes_router.hermes.compat import emergency_stop, seams
from hermes_router.hermes.compat.events import place_to_route
from hermes_router.jobs.wakeups import Wakeup, Wakeups
from hermes_router.profiles import model

logger = logging.getLogger(__name__)

#: Seconds between two looks at least: what a worker says of a next time needs no other signal.
_LOOK_SECONDS = 1.0

Serve = Callable[[Any, str], Awaitable[bool]]


class SessionWakeups:
    """Wakes the sessions of one gateway; ``serve`` hands an event to a profile's session."""

    def __init__(
        self, runner: Any, watcher: ConfigWatcher, wakeups: Wakeups, root: Any, serve: Serve
    ) -> None:
        self._runner = runner
        self._watcher = watcher
        self._wakeups = wakeups
        self._root = root
        self._serve = serve
        self._task: asyncio.Task[None] | None = None
        self._waking = tasks.BackgroundTasks("a session could not be woken")

    def start(self) -> None:
        """Begin, as soon as the gateway's platforms are connected."""
        self._task = asyncio.create_task(self._look_again(), name="hermes-router-wakeups")

    async def stop(self) -> None:
        """Wake no more sessions."""
        await tasks.cancel(self._task)

    async def _look_again(self) -> None:
        await seams.until_running(self._runner)
        while True:
            for wakeup in self._wakeups.all():
                if wakeup.at > time.time():
                    break
                self._wakeups.put_off(wakeup)
                self._waking.start(self._wake(wakeup))
            await anyio.sleep(_LOOK_SECONDS)

    async def _wake(self, wakeup: Wakeup) -> None:
        """Wake a session, unless that may not be now; forget it if it may not be ever."""
        source = seams.source_of(wakeup.source)
        try:
            decision = (await self._watcher.fresh()).decide(place_to_route(source))
            home = model.find(wakeup.profile, self._root).home
        except (ConfigError, ProfileError):
            return  # people are told when somebody writes
        if decision.action != "worker" or decision.profile != wakeup.profile:
            self._wakeups.forget(wakeup)
            return
        if self._must_wait(source) or emergency_stop.paused(home):
            return
        if not seams.authorized(self._runner, source):
            logger.warning("hermes-router: %s is not woken: its sender is not allowed", wakeup.key)
            self._wakeups.forget(wakeup)
            return
        logger.info("profile %s: session %s is woken", wakeup.profile, wakeup.key)
        await self._serve(seams.event_without_text(source), wakeup.profile)

    def _must_wait(self, source: Any) -> bool:
        return (
            seams.shutting_down(self._runner)
            or seams.drained_externally(self._runner)
            or seams.adapter_for(self._runner, source) is None
        )
