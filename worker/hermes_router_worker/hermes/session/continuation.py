"""Continue a turn that a stop of the gateway cut off, by the mark that Hermes has for this.

If the gateway stops, it tells its workers to end. Such a worker marks its session as Hermes's own
gateway would. The session's next turn then gets Hermes's note about the interruption. The next
gateway asks for that turn, with the event without text that Hermes makes for it. If a person writes
first, that message's turn gets the note as well.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hermes_router_worker.hermes.home.session_store import fresh_entry

#: The reason that Hermes notes for a turn that a stop cut off.
_REASON = "shutdown_timeout"


async def mark(runner: Any, session_key: str) -> bool:
    """Mark the session so that Hermes continues its turn later; return True if a turn runs.

    A session calls it while it is interrupted, because the gateway stops. Without a running turn,
    nothing is marked. A turn runs some moments after Hermes has got its message.

    Raises:
        RuntimeError: Hermes refused the mark, so no turn can be continued; the gateway sends a
            notice.
    """
    if session_key not in runner._running_agents:
        return False
    store = runner.session_store
    if not await asyncio.to_thread(store.mark_resume_pending, session_key, _REASON):
        raise RuntimeError("the session's turn could not be marked for continuation")
    return True


def was_continued(runner: Any, event: Any) -> bool:
    """Return True if an event asks to continue a turn that was continued already.

    A person's message may have come first. The receiver then does not hand the event to Hermes.
    """
    if not event.internal or event.text:
        return False
    entry = fresh_entry(runner.session_store, runner._session_key_for_source(event.source))
    return not (entry is not None and entry.resume_pending)


def interrupt_reason() -> str:
    """Return the text by which Hermes recognises an interruption that no person sent.

    A session interrupts with it when it must end. Hermes would treat any other text as a message,
    and answer it.
    """
    from gateway import run

    return str(getattr(run, "_INTERRUPT_REASON_GATEWAY_SHUTDOWN", "Gateway shutting down"))
