"""End expired sessions by one round of Hermes's own watcher."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from hermes_router_worker.hermes.features import memory_flush
from hermes_router_worker.hermes.home.session_store import loaded_entries


async def expire(runner: Any) -> int:
    """End expired sessions, and prune the store; return how many sessions ended.

    The maintenance of the home calls it. Since 0.21.5 no session ends by the clock, but the store
    is still pruned.
    """
    prune = getattr(runner, "_session_housekeeping", None)
    if prune is not None:
        await prune()
        return 0
    before = open_sessions(runner)
    over = [key for key, end in before.items() if end is not None and end <= time.time() + 1]
    if over:
        await asyncio.to_thread(memory_flush.seat_agents, runner, over)
    await one_round(runner, "_session_expiry_watcher")
    return len(before.keys() - open_sessions(runner).keys())


def open_sessions(runner: Any) -> dict[str, float | None]:
    """Return when each open session is to end, by session key, in seconds since the epoch.

    None means that the session does not end by the clock.
    """
    return {
        key: _expiry(runner.config, entry)
        for key, entry in loaded_entries(runner.session_store).items()
        if not getattr(entry, "expiry_finalized", False)
    }


def _expiry(config: Any, entry: Any) -> float | None:
    if not hasattr(config, "get_reset_policy"):  # no session ends by the clock any more
        return None
    policy = config.get_reset_policy(platform=entry.platform, session_type=entry.chat_type)
    ends = []
    if policy.mode in {"idle", "both"}:
        ends.append(entry.updated_at + timedelta(minutes=policy.idle_minutes))
    if policy.mode in {"daily", "both"}:
        ends.append(_boundary(entry.updated_at, policy.at_hour))
    return min(end.timestamp() for end in ends) + 1 if ends else None


def _boundary(after: datetime, hour: int) -> datetime:
    """Return the first daily reset after a time."""
    today = after.replace(hour=hour, minute=0, second=0, microsecond=0)
    return today if today > after else today + timedelta(days=1)


async def one_round(runner: Any, name: str) -> None:
    """Let one of the runner's endless watchers, by its name, run one round without its pauses.

    Nothing happens if this Hermes has no such watcher.
    """
    watch = getattr(runner, name, None)
    if watch is None:
        return
    with _impatient(runner):
        await watch()


@contextmanager
def _impatient(runner: Any) -> Iterator[None]:
    """Have ``gateway.run`` sleep for 0 seconds, and end its loops at their second sleep.

    The first sleep is the watcher's pause before its first round.
    """
    module: Any = importlib.import_module("gateway.run")
    real, running = module.asyncio, runner._running
    naps = 0

    class Impatient:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        @staticmethod
        async def sleep(_seconds: float, result: Any = None) -> Any:
            nonlocal naps
            naps += 1
            if naps > 1:
                runner._running = False
            return await real.sleep(0, result)

    module.asyncio, runner._running = Impatient(), True
    try:
        yield
    finally:
        module.asyncio, runner._running = real, running
