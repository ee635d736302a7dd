"""Installing all guards; those that take no more than a wrapper are here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.patching import do_nothing
from hermes_router_worker.hermes.paths import current_home
from hermes_router_worker.home.delegations import guard_delegations
from hermes_router_worker.home.leases import guard_leases
from hermes_router_worker.home.lock import home_lock
from hermes_router_worker.home.maps import MapGuard, guard_dead_targets, guard_voice_modes
from hermes_router_worker.home.process_records import guard_processes
from hermes_router_worker.home.session_rows import guard_sessions


def install(runner: Any) -> None:
    """Install all guards. Once per worker, after the runner is built and before any event.

    Reads nothing that belongs to a session. Raises ``MissingPoint``, with nothing written.
    """
    home = current_home()
    guard_sessions(runner.session_store, home)
    guard_processes(home)
    guard_delegations()
    guard_leases(home)
    guard_voice_modes(runner, home)
    guard_dead_targets(runner, home)
    guard_unlocked_writers(runner, home)


def refresh(runner: Any) -> None:
    """Read again what the runner's constructor read: a prepared worker may be minutes old."""
    modes = runner._load_voice_modes()
    runner._voice_mode.clear()
    runner._voice_mode.update(modes)
    if isinstance(runner._save_voice_modes, MapGuard):
        runner._save_voice_modes.saved(modes)


def guard_unlocked_writers(runner: Any, home: Path) -> None:
    """Serialise the functions that change one entry of a file: ``/sethome``, a turn that went well.

    They read the file each time, so that a lock around them is all that is missing.
    """
    replacements.SAVE_ENV_VALUE.replace(lambda function: _serialised(function, home))
    replacements.CLEAR_RESTART_COUNT.replace(
        lambda function: _serialised(function, home), on=runner
    )


def _serialised(function: Callable[..., Any], home: Path) -> Callable[..., Any]:
    def serialised(*args: Any, **kwargs: Any) -> Any:
        with home_lock(home):
            return function(*args, **kwargs)

    async def serialised_coroutine(*args: Any, **kwargs: Any) -> Any:
        with home_lock(home):
            return await function(*args, **kwargs)

    return serialised_coroutine if inspect.iscoroutinefunction(function) else serialised


def silence_gateway_status() -> None:
    """Keep this process out of gateway_state.json. Before a runner is built: that writes it too.

    Each turn writes the writer's pid there, as that of the profile's gateway: ``hermes status`` and
    ``hermes gateway stop`` would take a worker for it.
    """
    replacements.WRITE_STATUS.replace(lambda _: do_nothing)
    replacements.PUBLISH_STATUS.replace(lambda _: do_nothing)
