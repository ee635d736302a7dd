"""Wake sessions of routed profiles in time: a worker runs their recurring prompts.

Hermes looks for due loops and heartbeats in the gateway, and runs them there. Here the gateway
knows only the time. It starts a worker; that worker asks Hermes what is due and runs it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from hermes_router.base import tasks
from hermes_router.base.errors import ConfigError, ProfileError
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.hermes.compat import emergency_stop
from hermes_router.hermes.compat.events import place_to_route
from hermes_router.hermes.compat.seams import (
    command_rules,
    gateway_runner,
    message_sources,
    sending,
)
from hermes_router.jobs.wakeups import Wakeup, Wakeups
from hermes_router.profiles import model

logger = logging.getLogger(__name__)

#: Seconds between two looks. A worker may set a new time without a signal: the next look finds it.
_LOOK_SECONDS = 1.0

Serve = Callable[[Any, str], Awaitable[bool]]


class SessionWakeups:
    """Starts workers for sessions whose recurring prompts are due.

    ``wakeups`` has the times. ``serve`` has a worker of the named profile run what is due in the
    session of an event; it returns False if it did not, and a later look tries again.
    """

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
        """Start the task that looks once a second which sessions are due.

        It begins when the gateway's platforms are connected.
        """
        self._task = asyncio.create_task(self._look_again(), name="hermes-router-wakeups")

    async def stop(self) -> None:
        """Stop looking, because the gateway stops: no more sessions are woken."""
        await tasks.cancel(self._task)

    async def _look_again(self) -> None:
        await gateway_runner.until_running(self._runner)
        while True:
            for wakeup in self._wakeups.all():
                if wakeup.at > time.time():
                    break
                self._wakeups.put_off(wakeup)
                self._waking.start(self._wake(wakeup))
            await anyio.sleep(_LOOK_SECONDS)

    async def _wake(self, wakeup: Wakeup) -> None:
        """Wake a session, or leave it for later; forget it if its route or sender is not valid."""
        source = message_sources.source_of(wakeup.source)
        try:
            decision = (await self._watcher.fresh()).decide(place_to_route(source))
            home = model.find(wakeup.profile, self._root).home
        except (ConfigError, ProfileError):
            return  # the next message in that place gets the notice
        if decision.action != "worker" or decision.profile != wakeup.profile:
            self._wakeups.forget(wakeup)
            return
        if self._must_wait(source) or emergency_stop.paused(home):
            return
        if not command_rules.authorized(self._runner, source):
            logger.warning("hermes-router: %s is not woken: its sender is not allowed", wakeup.key)
            self._wakeups.forget(wakeup)
            return
        logger.info("profile %s: session %s is woken", wakeup.profile, wakeup.key)
        await self._serve(message_sources.event_without_text(source), wakeup.profile)

    def _must_wait(self, source: Any) -> bool:
        return (
            gateway_runner.shutting_down(self._runner)
            or gateway_runner.drained_externally(self._runner)
            or sending.adapter_for(self._runner, source) is None
        )
