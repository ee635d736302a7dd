"""The recurring prompts of a session: ``/loop`` and ``/heartbeat`` (since 0.20).

Hermes keeps them in the profile's database, and a gateway looks there for what is due. A worker
tells the gateway, before it ends, when its session's next prompt is due. The gateway then wakes the
session, and the worker of that turn has Hermes look once. Hermes claims what is due, and asks the
agent.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Iterator
from typing import Any

logger = logging.getLogger(__name__)

#: By Hermes's name of the kind, with which the database's keys begin: where the state is.
_KINDS = {
    "loop": ("hermes_cli.loops", "LoopState"),
    "heartbeat": ("hermes_cli.heartbeat", "HeartbeatState"),
}


def next_due(runner: Any, session_key: str) -> float | None:
    """Return when the session's next prompt is due, in seconds since the epoch, or None.

    Blocks to read the database. A loop whose turn has not ended has no next time.
    """
    session = _session_id(runner, session_key)
    if session is None:
        return None
    states = dict(_active(runner, session))
    times = []
    if "loop" in states and not states["loop"].awaiting_response:
        times.append(float(states["loop"].next_due_at))
    if "heartbeat" in states:
        beat = states["heartbeat"]
        times.append(float(beat.last_fired_at or beat.created_at) + beat.interval_seconds)
    return min(times, default=None)


async def fire(runner: Any, source: Any) -> None:
    """Have Hermes begin a turn for each recurring prompt of the session that is due.

    ``source`` says where the session is. Hermes itself puts off a prompt that may not begin now.
    """
    key = runner._session_key_for_source(source)
    session = _session_id(runner, key)
    if session is None:
        return
    states = dict(_active(runner, session))
    if "loop" in states:
        await runner._loop_wakeup_fire_one(session, states["loop"], time.time(), set())
    if "heartbeat" in states:
        await runner._heartbeat_poll_once({key: (source, session)})


def _session_id(runner: Any, session_key: str) -> str | None:
    peek = getattr(runner.session_store, "peek_session_id", None)
    found: str | None = peek(session_key) if peek is not None else None
    return found


def _active(runner: Any, session: str) -> Iterator[tuple[str, Any]]:
    """Yield the kinds of recurring prompts that the session has, with Hermes's state of each."""
    database = getattr(runner._session_db, "_db", runner._session_db)
    for kind, (module, name) in _KINDS.items():
        stored = database.get_meta(f"{kind}:{session}")
        if not stored:
            continue
        try:
            state = getattr(importlib.import_module(module), name).from_json(stored)
        except Exception:  # boundary: other processes may write there; Hermes also only logs
            logger.warning("the %s of session %s cannot be read", kind, session, exc_info=True)
            continue
        if state.status == "active":
            yield kind, state
