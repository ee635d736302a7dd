"""Give a session's conversation to its memory provider when the session ends.

A session ends by ``/new``, and by the clock in versions of Hermes that still do so.

Hermes uses the agent that its gateway keeps for each session: the provider's ``on_session_end``
gets the conversation. Here, no process keeps an agent. So an agent is built for each session that
is about to end, with the conversation from the store, and is put where Hermes looks for the kept
agent. Hermes does the rest: it gives the conversation to the provider, closes the agent and forgets
it.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Iterable
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.home.session_store import loaded_entries

logger = logging.getLogger(__name__)


def hand_over_at_reset(runner: Any) -> None:
    """Have ``/new`` and ``/reset`` give the conversation to the memory provider, as in a gateway.

    A session calls it at its start. Without such a provider, nothing changes.
    """

    def seating(reset: Any) -> Any:
        async def seated(event: Any) -> Any:
            key = runner._session_key_for_source(event.source)
            await asyncio.to_thread(seat_agents, runner, [key])
            return await reset(event)

        return seated

    replacements.RESET_SESSION.replace(seating, on=runner)


def seat_agents(runner: Any, session_keys: Iterable[str]) -> int:
    """Build agents for sessions that are about to end, where Hermes looks for them.

    Hermes then gives each conversation to the profile's memory provider. Returns how many were
    built: 0 if the profile has no provider. Blocks. A session whose agent cannot be built ends
    without one, as in Hermes after a restart.
    """
    config = importlib.import_module("hermes_cli.config").load_config()
    if not str((config.get("memory") or {}).get("provider") or "").strip():
        return 0
    seated = 0
    entries = loaded_entries(runner.session_store)
    for key in session_keys:
        entry = entries.get(key)
        if entry is None or entry.origin is None or runner._agent_cache.get(key):
            continue
        try:
            said = runner.session_store.load_transcript(entry.session_id)
            if not said:
                continue
            agent = _agent_of(runner, key, entry)
        except Exception:
            logger.exception("session %s ends without its memory provider", key)
            continue
        agent._session_messages = said
        runner._agent_cache[key] = (agent, None, 0, entry.session_id)
        seated += 1
    return seated


def _agent_of(runner: Any, key: str, entry: Any) -> Any:
    """Return an agent of the session; to build it asks no model."""
    source = entry.origin
    model, runtime = runner._resolve_session_agent_runtime(source=source, session_key=key)
    return importlib.import_module("run_agent").AIAgent(
        model=model,
        **runtime,
        max_iterations=1,
        quiet_mode=True,
        enabled_toolsets=[],
        session_id=entry.session_id,
        platform=source.platform.value,
        user_id=source.user_id,
        user_name=source.user_name,
        chat_id=source.chat_id,
        chat_name=source.chat_name,
        chat_type=source.chat_type,
        thread_id=source.thread_id,
        gateway_session_key=key,
        session_db=getattr(runner._session_db, "_db", runner._session_db),
    )
