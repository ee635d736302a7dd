"""The agent that ``/refine``, ``/review`` and ``/btw`` use between turns (since 0.21).

A gateway keeps a session's agent in memory after a turn, and these commands use it. A worker begins
without an agent. So before such a command this module has Hermes build the agent as for a turn, and
stops Hermes before the turn begins.
"""

from __future__ import annotations

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

    That is not done if the session had no turn yet, or has an agent in this process. If it fails,
    Hermes answers the command as after a restart.
    """
    if event.get_command() not in _COMMANDS or not hasattr(runner, "_run_agent_build_turn_context"):
        return
    key = runner._session_key_for_source(event.source)
    if key in runner._running_agents or key in runner._agent_cache:
        return
    session = runner.session_store.peek_session_id(key)
    history = runner.session_store.load_transcript(session) if session else []
    if not history:
        return
    try:
        await _build(runner, event.source, key, session, history)
    except Exception:  # boundary: Hermes reads people's configuration to build an agent
        logger.warning("the session's agent could not be built for a command", exc_info=True)


async def _build(runner: Any, source: Any, key: str, session: str, history: list[Any]) -> None:
    """Have Hermes build the agent; it puts the agent where the command looks for it."""
    display = runner._run_agent_display_settings(source)
    context, turn, _ = runner._run_agent_build_turn_context(
        display,
        importlib.import_module("run_agent").AIAgent,
        message="",
        source=source,
        session_key=key,
        run_generation=None,
        session_id=session,
        history=history,
        context_prompt=_session_prompt(runner, source),
    )
    runner._run_agent_bind_turn_wiring(context, turn, source, None, False)  # noqa: FBT003 - Hermes's
    turn._wire_turn_agent_callbacks = _stop
    try:
        await runner._run_in_executor_with_context(turn.run_sync)
    except _Built as built:
        _finish(built.agent, turn, history)


def _session_prompt(runner: Any, source: Any) -> str:
    """Return what Hermes adds to the system prompt about where the session is."""
    session = importlib.import_module("gateway.session")
    settings = importlib.import_module("hermes_cli.config").load_config()
    entry = runner.session_store.get_or_create_session(source)
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
