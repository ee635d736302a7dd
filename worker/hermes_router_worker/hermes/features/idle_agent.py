"""The agent of a session between its turns (since 0.21).

A gateway keeps a session's agent in memory after a turn. The next turn uses it, and so do
``/refine``, ``/review`` and ``/btw``. A worker begins without an agent. So before such a command,
and when a message is about to come, this module has Hermes build the agent as for a turn. It stops
Hermes before the turn begins.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from typing import Any

logger = logging.getLogger(__name__)

_COMMANDS = frozenset({"btw", "refine", "review"})


class _Built(Exception):
    """Raised in Hermes where it has built the agent and would begin the turn."""

    def __init__(self, agent: Any) -> None:
        super().__init__()
        self.agent = agent


async def prepare(runner: Any, event: Any) -> None:
    """Have Hermes build the session's agent if the event is ``/btw``, ``/refine`` or ``/review``.

    If it fails, Hermes answers the command as after a restart.
    """
    if event.get_command() in _COMMANDS:
        await build(runner, event.source)


async def build(runner: Any, source: Any) -> None:
    """Have Hermes build the agent of a session, and keep it as after a turn.

    That is not done if the session had no turn yet, is about to be replaced, or has an agent in
    this process. A failure is logged: the turn will build an agent, or report the error.
    """
    if not hasattr(runner, "_run_agent_build_turn_context"):
        return
    key = runner._session_key_for_source(source)
    if key in runner._running_agents or key in runner._agent_cache:
        return
    entry = runner.session_store.lookup_by_session_key(key)
    if entry is None or entry.suspended:
        return
    history = runner.session_store.load_transcript(entry.session_id)
    if not history:
        return
    try:
        await _build(runner, source, key, entry, history)
    except Exception:  # boundary: Hermes reads people's configuration to build an agent
        logger.warning("the session's agent could not be built in advance", exc_info=True)


async def begin_relay() -> None:
    """Have Hermes start its host of Relay plugins, which the first turn of a process starts."""
    try:
        relay = importlib.import_module("agent.relay_runtime")
    except ImportError:  # before 0.21
        return
    await asyncio.to_thread(relay.HOST_REGISTRY.for_profile)


async def _build(runner: Any, source: Any, key: str, entry: Any, history: list[Any]) -> None:
    """Have Hermes build the agent; it puts the agent where the command looks for it."""
    display = runner._run_agent_display_settings(source)
    context, turn, _ = runner._run_agent_build_turn_context(
        display,
        importlib.import_module("run_agent").AIAgent,
        message="",
        source=source,
        session_key=key,
        run_generation=None,
        session_id=entry.session_id,
        history=history,
        context_prompt=_session_prompt(runner, source, entry),
    )
    runner._run_agent_bind_turn_wiring(context, turn, source, None, False)  # noqa: FBT003 - Hermes's
    turn._wire_turn_agent_callbacks = _stop
    try:
        await runner._run_in_executor_with_context(turn.run_sync)
    except _Built as built:
        _finish(built.agent, turn, history)


def _session_prompt(runner: Any, source: Any, entry: Any) -> str:
    """Return what Hermes adds to the system prompt about where the session is."""
    session = importlib.import_module("gateway.session")
    settings = importlib.import_module("hermes_cli.config").load_config()
    context = session.build_session_context(source, runner.config, entry)
    hide = bool((settings.get("privacy") or {}).get("redact_pii", False))
    return str(session.build_session_context_prompt(context, redact_pii=hide))


def _stop(agent: Any, *_turn: Any) -> None:
    raise _Built(agent)


def _finish(agent: Any, turn: Any, history: list[Any]) -> None:
    """Give the agent what a turn leaves: the conversation, and a way to tell what was kept."""
    agent._session_messages = list(history)
    tell, release = turn._make_bg_review_callbacks()
    release()  # no answer is on its way that should come first
    agent.background_review_callback = tell
