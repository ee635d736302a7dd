"""The results of background delegations: a worker takes those of its session alone."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable
from typing import Any

from hermes_router_worker.hermes import replacements


def guard_delegations() -> None:
    """Forget the results of background delegations that importing Hermes put into the queue.

    From 0.19 on the import takes every undelivered result of the home, of all sessions: a worker
    would answer in conversations that are not its own. They stay undelivered in the database.
    """
    from tools.process_registry import process_registry

    events = process_registry.completion_queue
    kept = [event for event in _drain(events) if not event.get("restored")]
    for event in kept:
        events.put(event)
    replacements.RESTORE_RESULTS.replace(lambda _: _restore_none)


def _restore_none(*_args: object) -> int:
    return 0


def sweep_own(runner: Any, session_key: str) -> None:
    """Have Hermes look for results whose worker died, in this session alone.

    From 0.21.3 on a gateway that runs takes them over every minute. A worker would take those of
    other sessions too, which it must not answer, and nobody else could deliver them then.
    """
    replacements.SWEEP_RESULTS.replace(lambda _: lambda: _swept(session_key), on=runner)


def _swept(session_key: str) -> int:
    from tools.async_delegation import sweep_orphaned_completions

    return _keep_own(sweep_orphaned_completions, session_key)


def restore_delegations(session_key: str) -> int:
    """Put the undelivered results of this session into the queue; returns how many."""
    try:
        from tools.async_delegation import restore_undelivered_completions
    except ImportError:  # before 0.19 results did not survive a process
        return 0
    return _keep_own(restore_undelivered_completions, session_key)


def _keep_own(look_for: Callable[[Any], object], session_key: str) -> int:
    """Put what is found of this session into the queue; the rest stays in the database."""
    from tools.process_registry import process_registry

    found: queue.Queue[dict[str, Any]] = queue.Queue()
    look_for(found)
    mine = [event for event in _drain(found) if event.get("session_key") == session_key]
    for event in mine:
        process_registry.completion_queue.put(event)
    return len(mine)


def _drain(events: Any) -> list[dict[str, Any]]:
    drained: list[dict[str, Any]] = []
    with contextlib.suppress(queue.Empty):
        while True:
            drained.append(events.get_nowait())
    return drained
