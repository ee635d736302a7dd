"""The start-up steps that need the session: the adapter in the runner, in the running loop.

They follow those of :mod:`.startup`, which may have been done long before. :func:`attach` puts them
in order.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.features.memory_flush import hand_over_at_reset
from hermes_router_worker.home import guards
from hermes_router_worker.home.delegations import restore_delegations, sweep_own
from hermes_router_worker.home.process_records import adopt_processes
from hermes_router_worker.startup.gateway_rules import obey_gateway_rules

_watchers: set[asyncio.Task[None]] = set()


def share_session_key_settings(runner: Any, adapter: Any) -> None:
    """Let the adapter derive the same session key as the runner does.

    Both compute it: the runner from its config, the adapter from ``config.extra``. Hermes fills the
    latter when it creates an adapter. A pipe adapter that lacked it would lock another lane.
    """
    extra = getattr(adapter.config, "extra", None)
    if not isinstance(extra, dict):
        return
    for name, default in (("group_sessions_per_user", True), ("thread_sessions_per_user", False)):
        extra.setdefault(name, getattr(runner.config, name, default))


def wire_adapter(runner: Any, adapter: Any) -> None:
    """Give the adapter the runner's handlers, exactly as start-up does for a real adapter.

    Setters that this Hermes lacks are skipped, except the message handler: without it an event
    would be dropped in silence. The fatal-error handler is not set: a broken pipe ends the worker.
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
    guards.refresh(runner)
    _call(runner, "_sync_voice_mode_state_to_adapter", adapter)


def mark_running(runner: Any) -> None:
    """Tell the runner that it runs, in this loop, with its adapters. Needs the running loop."""
    runner._gateway_loop = asyncio.get_running_loop()
    runner.delivery_router.adapters = runner.adapters
    runner._running = True


def tolerate_network_errors() -> None:
    """Install Hermes's loop exception handler: a background network error is logged, not fatal."""
    from gateway import run

    handler = getattr(run, "_gateway_loop_exception_handler", None)
    if handler is not None:
        asyncio.get_running_loop().set_exception_handler(handler)


def start_async_delegation_watcher(runner: Any) -> asyncio.Task[None] | None:
    """Start the task that feeds finished background delegations back into the session.

    It runs for ever and holds no work of its own: whoever decides that the worker is done must not
    wait for it. It is therefore not put among the runner's background tasks; see :func:`watchers`.
    """
    watch = getattr(runner, "_async_delegation_watcher", None)
    if watch is None:  # Hermes before 0.17 has no background delegations
        return None
    task: asyncio.Task[None] = asyncio.create_task(watch(), name="async_delegation_watcher")
    _watchers.add(task)
    task.add_done_callback(_watchers.discard)
    return task


def adopt_session(runner: Any, session_key: str) -> int:
    """Take over what an earlier worker of this session left: processes and delegation results.

    Other sessions' processes and results are left alone; see :mod:`.shared_home`. Returns the
    number of processes. Needs the running loop; call it after :func:`wire_adapter`.
    """
    from tools.process_registry import process_registry

    adopted = adopt_processes(session_key)
    restore_delegations(session_key)
    sweep_own(runner, session_key)
    waiting, process_registry.pending_watchers = process_registry.pending_watchers, []
    for watcher in waiting:
        task: asyncio.Task[None] = asyncio.create_task(
            runner._run_process_watcher(watcher),
            name=f"process_watcher:{watcher.get('session_id')}",
        )
        runner._background_tasks.add(task)
        task.add_done_callback(runner._background_tasks.discard)
    return adopted


def review_at_once() -> None:
    """Have a review of memory and skills follow its turn, also on the machine's own model."""
    replacements.DEFER_REVIEW.replace(lambda _defer: lambda *_args, **_kwargs: False)


def attach(runner: Any, adapter: Any, *, session_key: str | None = None) -> None:
    """Wire the pipe adapter into the runner. Call it in the running loop, before the first event.

    With ``session_key`` the session's leftovers are adopted too; without it nothing is recovered.
    """
    wire_adapter(runner, adapter)
    mark_running(runner)
    tolerate_network_errors()
    obey_gateway_rules(runner)
    hand_over_at_reset(runner)
    review_at_once()
    start_async_delegation_watcher(runner)
    if session_key:
        adopt_session(runner, session_key)


def watchers() -> frozenset[asyncio.Task[None]]:
    """Return the endless tasks of this worker: cancel them at its end, never wait for them."""
    return frozenset(_watchers)


def _call(owner: Any, name: str, *args: Any) -> None:
    """Call ``owner.name(*args)`` if this Hermes has it."""
    method = getattr(owner, name, None)
    if method is not None:
        method(*args)
