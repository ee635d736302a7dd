"""Install all guards; guards that need only a wrapper are in this module."""

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
from hermes_router_worker.home.lock import home_lock, home_lock_across_waits
from hermes_router_worker.home.maps import guard_voice_modes
from hermes_router_worker.home.process_records import guard_processes
from hermes_router_worker.home.session_rows import guard_sessions
from hermes_router_worker.home.transcripts import guard_transcripts


def install(runner: Any) -> None:
    """Have Hermes in this worker share the home with other workers: install all guards.

    Call it once per worker, after the runner is built and before any event. It reads nothing that
    belongs to a session.

    Raises:
        MissingPoint: this Hermes lacks a member; nothing was written.
    """
    home = current_home()
    guard_sessions(runner.session_store, home)
    guard_transcripts(runner.session_store, home)
    guard_processes(home)
    guard_delegations()
    guard_leases(home)
    guard_voice_modes(runner, home)
    guard_unlocked_writers(runner, home)


def guard_unlocked_writers(runner: Any, home: Path) -> None:
    """Hold a lock of the home while Hermes changes ``.env`` or the counts of failed restarts.

    ``/sethome`` does the first, a turn that went well the second. Both functions read their file
    each time, so they only need a lock around them. Since 0.22, the second one is a coroutine that
    writes in a thread.
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
        async with home_lock_across_waits(home, "restart-counts"):
            return await function(*args, **kwargs)

    return serialised_coroutine if inspect.iscoroutinefunction(function) else serialised


def silence_gateway_status() -> None:
    """Keep this process out of the home's gateway_state.json; call it before a runner is built.

    Hermes writes its process id there, as that of the profile's gateway, at each turn and when it
    builds a runner. ``hermes status`` and ``hermes gateway stop`` would take a worker for the
    gateway.
    """
    replacements.WRITE_STATUS.replace(lambda _: do_nothing)
    replacements.PUBLISH_STATUS.replace(lambda _: do_nothing)
