"""The results of background delegations: a worker takes those of its session alone."""

from __future__ import annotations

import contextlib
import queue
from typing import Any


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


def restore_delegations(session_key: str) -> int:
    """Put the undelivered results of this session into the queue; returns how many."""
    try:
        from tools.async_delegation import restore_undelivered_completions
    except ImportError:  # before 0.19 results did not survive a process
        return 0
    from tools.process_registry import process_registry

    found: queue.Queue[dict[str, Any]] = queue.Queue()
    restore_undelivered_completions(found)
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
