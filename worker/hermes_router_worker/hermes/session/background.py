"""What Hermes runs beside a turn in this process: background processes and delegated tasks."""

from __future__ import annotations

import contextlib
import importlib
import queue
from collections.abc import Callable
from typing import Any


def process_registry() -> Any:
    """Return Hermes's list of the background processes of this process."""
    return importlib.import_module("tools.process_registry").process_registry


def processes_running() -> bool:
    """Return True if a background process of this worker runs."""
    return bool(process_registry().has_any_active())


def running_processes() -> list[str]:
    """Return the ids of the running background processes."""
    return [found.id for found in list(process_registry()._running.values()) if not found.exited]


def command_of(number: str) -> str:
    """Return the command line of a background process; "" if it is not known."""
    return str(getattr(process_registry().get(number), "command", ""))


def take_waiting_watchers() -> list[Any]:
    """Take Hermes's descriptions of background processes that no task watches yet.

    Hermes's own list of them is empty then, so the caller must start the watching.
    """
    registry = process_registry()
    waiting, registry.pending_watchers = registry.pending_watchers, []
    return list(waiting)


def delegations_running() -> int:
    """Return how many delegated tasks run."""
    return int(importlib.import_module("tools.async_delegation").active_count())


#: The states of a delegated task that has not ended; older versions of Hermes have no "stalling".
_LIVE = frozenset({"running", "stalling", "finalizing"})


def own_delegations() -> set[str]:
    """Return the ids of the delegated tasks that this process began, also of those that ended."""
    delegations = importlib.import_module("tools.async_delegation")
    return {str(r.get("delegation_id")) for r in delegations.list_async_delegations()}


def running_delegations() -> list[Any]:
    """Return the records of the running delegated tasks."""
    delegations = importlib.import_module("tools.async_delegation")
    return [r for r in delegations.list_async_delegations() if r.get("status") in _LIVE]


# -- results that wait for their session -----------------------------------------------------------


def results_wait() -> bool:
    """Return True if a background result, or a match of a watch pattern, waits to be reported."""
    return not process_registry().completion_queue.empty()


def put_result(event: dict[str, Any]) -> None:
    """Put a delegated task's result into the queue from which Hermes reports to the session."""
    process_registry().completion_queue.put(event)


def take_results() -> list[dict[str, Any]]:
    """Empty the queue from which Hermes reports background work; return what was in it.

    The caller puts back what Hermes is to report, by :func:`put_result`.
    """
    return _drained(process_registry().completion_queue)


def undelivered_results() -> list[dict[str, Any]]:
    """Return the results of delegated tasks, of all sessions of this home, that nobody has got yet.

    They stay in the database.
    """
    return _found(importlib.import_module("tools.async_delegation").restore_undelivered_completions)


def orphaned_results() -> list[dict[str, Any]]:
    """Return the results of delegated tasks, of all sessions, whose process died (since 0.21.3)."""
    return _found(importlib.import_module("tools.async_delegation").sweep_orphaned_completions)


def _found(look_for: Callable[[Any], object]) -> list[dict[str, Any]]:
    found: queue.Queue[dict[str, Any]] = queue.Queue()
    look_for(found)
    return _drained(found)


def _drained(events: Any) -> list[dict[str, Any]]:
    drained: list[dict[str, Any]] = []
    with contextlib.suppress(queue.Empty):
        while True:
            drained.append(events.get_nowait())
    return drained


# -- the words in which people are told ------------------------------------------------------------


def watch_reports() -> list[tuple[str, dict[str, Any]]]:
    """Take the matches of watch patterns out of the queue of reports, each as (text, event).

    The text is for the session, the event is Hermes's own. The caller must report them: they are
    not kept anywhere else.
    """
    run = importlib.import_module("gateway.run")
    events = run._drain_gateway_watch_events(process_registry().completion_queue)
    texts = ((run._format_gateway_process_notification(event), event) for event in events)
    return [(text, event) for text, event in texts if text]
