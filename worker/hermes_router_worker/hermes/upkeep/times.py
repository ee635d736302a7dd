"""When the home needs maintenance again, by Hermes's settings and files."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from hermes_router_worker.hermes.upkeep.chores import CACHED_HOURS, results_for_bot_chat
from hermes_router_worker.hermes.upkeep.sessions import open_sessions

_DAY = 86_400.0
_HOUR = 3600.0

#: Seconds after a change to look at chores whose next time cannot be known in advance.
_SOON = 300.0


def next_times(runner: Any, now: float) -> Iterator[float | None]:
    """Yield when each of Hermes's chores in this home is due next, in seconds since the epoch.

    None means that nothing is planned for a chore. ``now`` is the time now, ``runner`` Hermes's
    gateway runner.
    """
    yield from open_sessions(runner).values()  # a session's process may outlast its end
    yield _caches_next(now)
    yield _curator_next()
    yield bot_chat_next(Path(os.environ["HERMES_HOME"]), now)
    config = importlib.import_module("hermes_cli.config").load_config()
    for section in ("sessions", "checkpoints"):
        settings = config.get(section) or {}
        if settings.get("auto_prune", False):
            yield now + int(settings.get("min_interval_hours", 24)) * _HOUR


def bot_chat_next(home: Path, now: float) -> float | None:
    """Return when to look again whether Bot Chat can take results of jobs; None if none waits."""
    return now + _SOON if results_for_bot_chat(home) else None


def patience(runner: Any) -> float:
    """Return after how many seconds maintenance may be due because a file in the home changed.

    It is written into the note for gateways: a change may begin something whose end cannot be known
    in advance.
    """
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
    return max(min(ages) + CACHED_HOURS * _HOUR + 1, now + _HOUR) if ages else None


def _curator_next() -> float | None:
    from agent import curator

    if not curator.is_enabled() or curator.is_paused():
        return None
    try:
        last = datetime.fromisoformat(curator.load_state().get("last_run_at") or "")
    except (TypeError, ValueError):
        return None
    return last.timestamp() + float(curator.get_interval_hours()) * _HOUR + 1
