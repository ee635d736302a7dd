"""Wire an adapter to a runner, and start what a running gateway has in its event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hermes_router_worker.hermes.session.background import take_waiting_watchers
from hermes_router_worker.hermes.startup import program

_watchers: set[asyncio.Task[None]] = set()


def share_session_key_settings(runner: Any, adapter: Any) -> None:
    """Have the adapter compute the same session key as the runner does.

    The runner computes it from its config, the adapter from ``config.extra``, which Hermes fills
    when it creates an adapter. A pipe adapter without these values would lock another session.
    """
    extra = getattr(adapter.config, "extra", None)
    if not isinstance(extra, dict):
        return
    for name, default in (("group_sessions_per_user", True), ("thread_sessions_per_user", False)):
        extra.setdefault(name, getattr(runner.config, name, default))


def wire_adapter(runner: Any, adapter: Any) -> None:
    """Give the adapter the runner's handlers, exactly as Hermes's start does for a real adapter.

    Setters that this Hermes lacks are skipped, except the message handler: without it an event
    would be lost without a trace. The fatal-error handler is not set: a broken pipe ends the
    worker.
    """
    share_session_key_settings(runner, adapter)
    adapter.gateway_runner = runner
    adapter.set_message_handler(runner._handle_message)
    _call(adapter, "set_session_store", runner.session_store)
    _call(adapter, "set_busy_session_handler", runner._handle_active_session_busy_message)
    recover = getattr(runner, "_recover_telegram_topic_thread_id", None)
    if recover is not None:
        _call(adapter, "set_topic_recovery_fn", recover)
    check = getattr(runner, "_make_adapter_auth_check", None)
    if check is not None:
        _call(adapter, "set_authorization_check", check(adapter.platform))
    adapter._busy_text_mode = getattr(runner, "_busy_text_mode", "interrupt")
    timing = getattr(runner, "_busy_text_timing", None)
    if timing:
        adapter._busy_text_debounce_seconds, adapter._busy_text_hard_cap_seconds = timing
    adapter._human_delay_range_ms = getattr(runner, "_human_delay", None)
    runner.adapters[adapter.platform] = adapter


def wrap_message_handler(runner: Any, adapter: Any, wrap: Callable[[Any], Any]) -> None:
    """Have the adapter hand its messages to ``wrap(handler)`` in place of the runner's handler.

    A session uses this to see which messages fail.
    """
    adapter.set_message_handler(wrap(runner._handle_message))


def mark_running(runner: Any) -> None:
    """Tell the runner that it runs, in this loop, with its adapters. Needs the running loop."""
    runner._gateway_loop = asyncio.get_running_loop()
    runner.delivery_router.adapters = runner.adapters
    runner._running = True


def tolerate_network_errors() -> None:
    """Install Hermes's loop exception handler: a background network error is logged, not fatal."""
    handler = program.loop_exception_handler()
    if handler is not None:
        asyncio.get_running_loop().set_exception_handler(handler)


def start_async_delegation_watcher(runner: Any) -> asyncio.Task[None]:
    """Start Hermes's task that reports finished delegated tasks in the session; return it.

    The task runs for ever and holds no work of its own, so a worker must not wait for it. Therefore
    it is not one of the runner's background tasks; see :func:`watchers`.
    """
    watch = runner._async_delegation_watcher()
    task: asyncio.Task[None] = asyncio.create_task(watch, name="async_delegation_watcher")
    _watchers.add(task)
    task.add_done_callback(_watchers.discard)
    return task


def sync_voice_modes(runner: Any, adapter: Any) -> None:
    """Give an adapter the runner's modes of ``/voice``."""
    _call(runner, "_sync_voice_mode_state_to_adapter", adapter)


def watch_processes(runner: Any) -> None:
    """Have the runner report the ends of the processes that were taken over, each by a task.

    Needs the running loop. Called after processes of an earlier worker were adopted.
    """
    for watcher in take_waiting_watchers():
        task: asyncio.Task[None] = asyncio.create_task(
            runner._run_process_watcher(watcher),
            name=f"process_watcher:{watcher.get('session_id')}",
        )
        runner._background_tasks.add(task)
        task.add_done_callback(runner._background_tasks.discard)


def watchers() -> frozenset[asyncio.Task[None]]:
    """Return the endless tasks that this worker started; nobody must wait for their end."""
    return frozenset(_watchers)


def _call(owner: Any, name: str, *args: Any) -> None:
    """Call ``owner.name(*args)`` if this Hermes has it."""
    method = getattr(owner, name, None)
    if method is not None:
        method(*args)
