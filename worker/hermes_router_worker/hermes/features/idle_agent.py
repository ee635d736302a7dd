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

    The receiver calls it before Hermes gets the event. The agent then has what a turn leaves in it.
    If it fails, Hermes answers the command as after a restart.
    """
    if used_by(event):
        await build(runner, event.source, event.channel_prompt, after_turn=True)


def used_by(event: Any) -> bool:
    """Return True if the event is a command that uses the session's agent without a turn."""
    return event.get_command() in _COMMANDS


async def build(
    runner: Any, source: Any, channel_prompt: str | None, *, after_turn: bool = False
) -> None:
    """Have Hermes build the agent of a session, and keep it for the session's next turn.

    ``channel_prompt`` is the one of the message to come. With ``after_turn`` the agent also has
    what a turn leaves in it.

    Nothing is built if the session had no turn yet, is about to be replaced, or has an agent in
    this process, or before Hermes 0.21. A failure is logged: the turn will build an agent, or
    report the error.
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
        agent, turn = await _build(runner, source, key, entry, history, channel_prompt)
        if after_turn:
            _finish(agent, turn, history)
    except Exception:  # boundary: Hermes reads people's configuration to build an agent
        logger.warning("the session's agent could not be built in advance", exc_info=True)


async def begin_relay() -> None:
    """Have Hermes start its host of Relay plugins, a part of Hermes and not our relay.

    The first turn of a process would start it, and wait for it. Does nothing before Hermes 0.21.
    """
    try:
        relay = importlib.import_module("agent.relay_runtime")
    except ImportError:  # before 0.21
        return
    if (hosts := getattr(relay, "HOST_REGISTRY", None)) is not None:
        await asyncio.to_thread(hosts.for_profile)


async def _build(
    runner: Any, source: Any, key: str, entry: Any, history: list[Any], channel_prompt: str | None
) -> tuple[Any, Any]:
    """Have Hermes build the agent and keep it; return the agent and the turn that was not begun."""
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
        channel_prompt=channel_prompt,
    )
    runner._run_agent_bind_turn_wiring(context, turn, source, None, False)  # noqa: FBT003 - Hermes's
    turn._wire_turn_agent_callbacks = _stop
    try:
        await runner._run_in_executor_with_context(turn.run_sync)
    except _Built as built:
        return built.agent, turn
    raise RuntimeError("Hermes began a turn without the step that follows the agent")


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
