"""Going on with a turn that a stop of the gateway cut off, by the mark that Hermes has for that.

A worker that is told to go because the gateway stops marks its session as Hermes's own gateway
would. The session's next turn then gets Hermes's note about the interruption. The next gateway
asks for that turn, by the event without words that Hermes makes for it; a person who writes first
gets it as well.
"""

from __future__ import annotations

import asyncio
from typing import Any

#: The reason that Hermes notes for a turn that its stop cut off.
_REASON = "shutdown_timeout"


async def mark(runner: Any, session_key: str) -> None:
    """Mark the session of a turn that runs.

    Raises:
        RuntimeError: Hermes refused it, so that nobody could go on; the gateway tells people.
    """
    if session_key not in runner._running_agents:
        return
    store = runner.session_store
    if not await asyncio.to_thread(store.mark_resume_pending, session_key, _REASON):
        raise RuntimeError("the session's turn could not be marked to be gone on with")


def is_over(runner: Any, event: Any) -> bool:
    """Say whether an event asks for a turn that was gone on with already, by a person's message."""
    if not event.internal or event.text:
        return False
    store, key = runner.session_store, runner._session_key_for_source(event.source)
    with store._lock:
        store._ensure_loaded_locked()
        entry = store._entries.get(key)
    return not (entry is not None and entry.resume_pending)
