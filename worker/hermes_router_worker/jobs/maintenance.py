"""The upkeep of a home: what a gateway of its own would do there beside its turns.

Each chore is Hermes's own code, run once. What Hermes runs in loops that never end is let go round
once. At the end a note in the home tells the gateways when something will be to do again, so that
none of them starts a process before that.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router_worker import json_files
from hermes_router_worker.hermes.cron import cron_lock, cut_off
from hermes_router_worker.hermes.cron.cron_run import Result
from hermes_router_worker.hermes.features import memory_flush
from hermes_router_worker.home.process_records import tidy_processes
from hermes_router_worker.send.transport import Transport
from hermes_router_worker.startup import steps

logger = logging.getLogger(__name__)

#: Where the note lies below the home; see :mod:`hermes_router.jobs.maintenance`.
NOTE = ("hermes-router", "upkeep.json")

_CACHED_HOURS = 24
_DAY = 86_400.0
_HOUR = 3600.0

#: Chores whose next time cannot be known in advance are looked after so long after a change.
_SOON = 300.0

#: By module, what Hermes's housekeeping does to databases; each looks whether its time has come.
_PRUNING = (
    ("gateway.run", "_housekeeping_state_db_maintenance"),
    ("tools.checkpoint_maintenance", "auto_prune_from_config"),
)

#: By module, what deletes the old files of a cache; those after the second are new in 0.20 to 0.22.
_CLEANERS = (
    ("gateway.platforms.base", "cleanup_image_cache"),
    ("gateway.platforms.base", "cleanup_document_cache"),
    ("gateway.platforms.base", "cleanup_audio_cache"),
    ("gateway.platforms.base", "cleanup_video_cache"),
    ("gateway.platforms.base", "cleanup_screenshot_cache"),
    ("tools.tool_result_storage", "cleanup_spillover_cache"),
    ("tools.environments.local", "cleanup_terminal_temp_cache"),
    ("tools.bot_mode_dm", "cleanup_bot_dm_cache"),
    ("tools.bot_relay", "cleanup_bot_relay_artifacts"),
)

#: Threads in which a chore goes on after its call, by the beginning of their names.
_GOING_ON = ("curator-review",)

_POLL_SECONDS = 0.1


class Upkeep:
    """One upkeep of this process's home; ``stop`` ends it between two chores."""

    def __init__(
        self,
        runner: Any,
        transport: Transport,
        delivery_scope: msg.DeliveryScope,
        stop: threading.Event,
    ) -> None:
        self._runner = runner
        self._transport = transport
        self._reach = delivery_scope
        self._stop = stop
        self._done: list[str] = []

    async def run(self) -> Result:
        """Do all chores; one that fails is logged and does not stop the others, as in Hermes."""
        home = Path(os.environ["HERMES_HOME"])
        with cron_lock.alone(home, "upkeep of the home") as mine:
            if not mine:
                return Result("busy", "another process tends this home")
            for name, chore in self._chores():
                if self._stop.is_set():
                    return Result("failed", "it was cut off")
                await self._attempt(name, chore)
            await self._until_ended()
            await asyncio.to_thread(leave_note, home, self._runner)
        return Result("done", ", ".join(self._done))

    def _chores(self) -> Iterable[tuple[str, Callable[[], Any]]]:
        """Return the chores in order. Those that return something have found work."""
        yield "executions", cut_off.recover
        yield "processes", tidy_processes
        yield "deliveries", self._redeliver
        yield "sessions", self._expire_sessions
        yield "caches", clean_caches
        yield "databases", lambda: steps.catch_up_upkeep(self._runner)
        yield "archive", prune_as_housekeeping
        yield "logins", refresh_login
        yield "skills", tend_skills

    async def _attempt(self, name: str, chore: Callable[[], Any]) -> None:
        try:
            if asyncio.iscoroutinefunction(chore):
                found = await chore()
            else:
                found = await asyncio.to_thread(chore)
        except Exception:
            logger.exception("upkeep: %s", name)
            return
        if found:
            self._done.append(f"{name}: {found}")

    async def _until_ended(self) -> None:
        """Wait for what goes on in a thread; the curator may ask a model."""
        while not self._stop.is_set():
            if not any(t.name.startswith(_GOING_ON) for t in threading.enumerate()):
                return
            await asyncio.sleep(_POLL_SECONDS)

    async def _redeliver(self) -> int:
        """Send the answers that dead processes owed, by the gateway's adapters."""
        redeliver = getattr(self._runner, "_redeliver_pending_obligations", None)
        if redeliver is None:  # a Hermes without a ledger
            return 0
        platform = importlib.import_module("gateway.config").Platform
        own = self._runner.adapters
        self._runner.adapters = {
            platform(name): _Carrier(self._transport, name) for name in self._reach.platforms
        }
        try:
            return int(await redeliver())
        finally:
            self._runner.adapters = own

    async def _expire_sessions(self) -> int:
        """End the sessions whose time is over, and prune the store: one round of the watcher.

        From 0.21.5 on no session ends by the clock, and the store is pruned all the same.
        """
        prune = getattr(self._runner, "_session_housekeeping", None)
        if prune is not None:
            await prune()
            return 0
        before = open_sessions(self._runner)
        over = [key for key, end in before.items() if end is not None and end <= time.time() + 1]
        if over:
            await asyncio.to_thread(memory_flush.seat_agents, self._runner, over)
        await one_round(self._runner, "_session_expiry_watcher")
        return len(before.keys() - open_sessions(self._runner).keys())


class _Carrier:
    """What stands for a platform's adapter where Hermes redelivers: the gateway's, by the pipe."""

    def __init__(self, transport: Transport, platform: str) -> None:
        self._transport = transport
        self._platform = platform

    async def send(self, chat_id: str, content: str, metadata: Any = None, **_: Any) -> Any:
        """Send a text and return Hermes's result."""
        thread = (metadata or {}).get("thread_id")
        place = msg.Place(platform=self._platform, chat_id=str(chat_id), thread_id=thread)
        answer = await self._transport.deliver(place, content, files=(), as_documents=False)
        result = importlib.import_module("gateway.platforms.base").SendResult
        return result(
            success=not answer.get("error"),
            message_id=answer.get("message_id"),
            error=answer.get("error"),
        )


# -- chores ------------------------------------------------------------------------------------


def clean_caches() -> int:
    """Delete what is old in the caches, and shared pastes that have expired."""
    removed = 0
    for name, cleaner in _CLEANERS:
        with contextlib.suppress(ImportError, AttributeError):  # a Hermes without such a cache
            clean = getattr(importlib.import_module(name), cleaner)
            removed += clean(max_age_hours=_CACHED_HOURS)
    sweep = getattr(importlib.import_module("hermes_cli.debug"), "_sweep_expired_pastes", None)
    return int(removed + (sweep()[0] if sweep is not None else 0))


def prune_as_housekeeping() -> int:
    """Archive and prune where Hermes does it beside its turns; before 0.21 a start-up did it."""
    for module, chore in _PRUNING:
        with contextlib.suppress(ImportError, AttributeError):  # an older Hermes
            getattr(importlib.import_module(module), chore)()
    return 0


def refresh_login() -> int:
    """Keep the profile's own login at Nous alive, if it has one; Hermes knows how old it may be."""
    try:
        from hermes_cli.nous_auth_keepalive import refresh_nous_auth_keepalive_once
    except ImportError:  # a Hermes without
        return 0
    if (Path(os.environ["HERMES_HOME"]) / "auth.json").exists():
        refresh_nous_auth_keepalive_once()
    return 0


def tend_skills() -> int:
    """Let the curator work if its interval is over; it may go on in a thread."""
    from agent import curator

    def log(summary: str) -> None:
        logger.info("curator: %s", summary)

    return int(curator.maybe_run_curator(idle_for_seconds=float("inf"), on_summary=log) is not None)


async def one_round(runner: Any, name: str) -> None:
    """Let one of the runner's endless watchers go round once, without its pauses."""
    watch = getattr(runner, name, None)
    if watch is None:
        return
    with _impatient(runner):
        await watch()


@contextmanager
def _impatient(runner: Any) -> Iterator[None]:
    """Have ``gateway.run`` sleep for nothing, and end its loops when they sleep a second time.

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


# -- when again --------------------------------------------------------------------------------


def leave_note(home: Path, runner: Any) -> None:
    """Write down when something will be to do again."""
    now = time.time()
    times = [moment for moment in _next_times(runner, now) if moment is not None]
    note = {"at": time.time(), "next": min(times, default=None), "patience": _patience(runner)}
    json_files.write(home.joinpath(*NOTE), note)


def _next_times(runner: Any, now: float) -> Iterator[float | None]:
    yield from open_sessions(runner).values()  # one that runs a process outlasts its end
    yield _caches_next(now)
    yield _curator_next()
    config = importlib.import_module("hermes_cli.config").load_config()
    for section in ("sessions", "checkpoints"):
        settings = config.get(section) or {}
        if settings.get("auto_prune", False):
            yield now + int(settings.get("min_interval_hours", 24)) * _HOUR


def open_sessions(runner: Any) -> dict[str, float | None]:
    """Return the sessions that have not been ended, with the time from which they are to be."""
    store = runner.session_store
    store._ensure_loaded()
    return {
        key: _expiry(runner.config, entry)
        for key, entry in list(store._entries.items())
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


def _patience(runner: Any) -> float:
    """Return how long after a change in the home something may be to do."""
    config = runner.config
    if not hasattr(config, "get_reset_policy"):
        return _DAY
    policies = [config.default_reset_policy]
    policies += [*config.reset_by_platform.values(), *config.reset_by_type.values()]
    waits = [_DAY]
    waits += [p.idle_minutes * 60.0 for p in policies if p.mode in {"idle", "both"}]
    waits += [_SOON for p in policies if p.mode in {"daily", "both"}]
    return max(min(waits), _SOON)


def _caches_next(now: float) -> float | None:
    base = importlib.import_module("gateway.platforms.base")
    ages = []
    for folder in (base.get_image_cache_dir(), base.get_document_cache_dir()):
        ages += [path.stat().st_mtime for path in folder.iterdir() if path.is_file()]
    return max(min(ages) + _CACHED_HOURS * _HOUR + 1, now + _HOUR) if ages else None


def _curator_next() -> float | None:
    from agent import curator

    if not curator.is_enabled() or curator.is_paused():
        return None
    last = curator._parse_iso(curator.load_state().get("last_run_at"))
    return None if last is None else last.timestamp() + curator.get_interval_hours() * _HOUR + 1
