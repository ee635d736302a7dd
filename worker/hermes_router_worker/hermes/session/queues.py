"""Where Hermes keeps the messages and the tasks of a session: in the adapter and in the runner."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any


def session_key(runner: Any, source: Any) -> str:
    """Return the key of the session that a source belongs to."""
    return str(runner._session_key_for_source(source))


def working(adapter: Any) -> bool:
    """Return True while Hermes works on a message of this adapter."""
    return bool(adapter._active_sessions)


def any_message(runner: Any, adapter: Any) -> bool:
    """Return True if Hermes is working on a message, or a message waits in this process."""
    return bool(
        adapter._active_sessions
        or adapter._pending_messages
        or getattr(adapter, "_text_debounce", None)
        or any(getattr(runner, "_queued_events", {}).values())
    )


def waiting_messages(adapter: Any) -> list[Any]:
    """Return the events that wait: in the adapter's slot, in a burst, in the runner's queue."""
    bursts = [state.event for state in getattr(adapter, "_text_debounce", {}).values()]
    queues = getattr(adapter.gateway_runner, "_queued_events", None) or {}
    later = [event for queue in list(queues.values()) for event in queue]
    return [*adapter._pending_messages.values(), *bursts, *later]


def delivering(adapter: Any) -> bool:
    """Return True if the adapter is delivering an answer, so that the process must not end."""
    return any(not task.done() for task in adapter._background_tasks)


def deliver_beside(adapter: Any, task: asyncio.Task[Any]) -> None:
    """Have a task count as the delivery of an answer until it ends.

    The worker does not end before that.
    """
    adapter._background_tasks.add(task)
    task.add_done_callback(adapter._background_tasks.discard)


def any_task(runner: Any, endless: Collection[asyncio.Task[Any]]) -> bool:
    """Return True if the runner has a task that will end by itself, so that the worker must stay.

    ``endless`` are our own endless tasks; Hermes marks its own. A task that waits to send a refused
    answer again does not count: the profile's maintenance and its next worker send what a worker
    leaves unsent.
    """
    resending = getattr(runner, "_flood_redelivery_tasks", {}).values()
    return any(
        not task.done()
        and task not in endless
        and task not in resending
        and not getattr(task, "_hermes_supervised_watcher", False)
        for task in set(runner._background_tasks)
    )


def interrupt(runner: Any, reason: str) -> None:
    """Have Hermes interrupt the running agents of this runner; they are told ``reason``."""
    runner._interrupt_running_agents(reason)


async def report(runner: Any, text: str, event: Any) -> None:
    """Begin a turn in which the agent reads Hermes's report about a background process.

    ``event`` is Hermes's own record of what happened.
    """
    await runner._inject_watch_notification(text, event)


def fell_back(agent: Any) -> bool:
    """Return True if an agent asks another model, because its configured model failed."""
    return bool(getattr(agent, "_fallback_activated", False))
