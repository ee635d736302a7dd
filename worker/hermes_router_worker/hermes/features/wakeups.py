"""The prompts of a session that come back by the clock: ``/loop`` and ``/heartbeat``, from 0.20 on.

Hermes keeps them in the profile's database, and a gateway looks there for what is due. A worker
says when the next one of its session is due before it ends. The gateway wakes the session then, and
the worker of that turn has Hermes do one look: it claims what is due, and asks the agent.
"""

from __future__ import annotations

import importlib
import logging
import time
from collections.abc import Iterator
from typing import Any

logger = logging.getLogger(__name__)

#: By Hermes's name of the kind, which begins the database's keys too: where its state is.
_KINDS = {
    "loop": ("hermes_cli.loops", "LoopState"),
    "heartbeat": ("hermes_cli.heartbeat", "HeartbeatState"),
}


def next_due(runner: Any, session_key: str) -> float | None:
    """Return when the session's next prompt is due, in seconds since the epoch; None if none is.

    Blocks for a look into the database. A loop whose turn has not ended has no next time.
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
    """Have Hermes begin the turns of what is due in the session; it defers what may not be now."""
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
    """Yield the kinds of recurring prompts that the session has, with Hermes's state of them."""
    database = getattr(runner._session_db, "_db", runner._session_db)
    for kind, (module, name) in _KINDS.items():
        stored = database.get_meta(f"{kind}:{session}")
        if not stored:
            continue
        try:
            state = getattr(importlib.import_module(module), name).from_json(stored)
        except Exception:  # boundary: the profile's processes may write there, and Hermes logs too
            logger.warning("the %s of session %s cannot be read", kind, session, exc_info=True)
            continue
        if state.status == "active":
            yield kind, state
