"""Installing all guards; those that take no more than a wrapper are here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hermes_router_worker.home.delegations import guard_delegations
from hermes_router_worker.home.lock import home_lock
from hermes_router_worker.home.maps import MapGuard, guard_dead_targets, guard_voice_modes
from hermes_router_worker.home.process_records import guard_processes
from hermes_router_worker.home.seams import current_home, do_nothing, require
from hermes_router_worker.home.session_rows import guard_sessions


def install(runner: Any) -> None:
    """Install all guards. Once per worker, after the runner is built and before any event.

    Reads nothing that belongs to a session. Raises ``SeamMissing``, with nothing written.
    """
    home = current_home()
    guard_sessions(runner.session_store, home)
    guard_processes(home)
    guard_delegations()
    guard_voice_modes(runner, home)
    guard_dead_targets(runner, home)
    guard_unlocked_writers(runner, home)
    silence_gateway_status()


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
    from hermes_cli import config

    for owner, name in (
        (config, "save_env_value"),
        (runner, "_clear_restart_failure_count"),
    ):
        setattr(owner, name, _serialised(require(owner, name), home))


def _serialised(function: Callable[..., Any], home: Path) -> Callable[..., Any]:
    def serialised(*args: Any, **kwargs: Any) -> Any:
        with home_lock(home):
            return function(*args, **kwargs)

    return serialised


def silence_gateway_status() -> None:
    """Keep this process out of gateway_state.json.

    Each turn writes the writer's pid there, as that of the profile's gateway: ``hermes status`` and
    ``hermes gateway stop`` would take a worker for it.
    """
    from gateway import status

    require(status, "write_runtime_status")
    status.write_runtime_status = do_nothing
