"""Tell people of what was queued in their session, and could not be begun."""

from __future__ import annotations

import logging
from typing import Any

from hermes_router_worker.hermes.session import platforms
from hermes_router_worker.session.turn_mark import with_id

logger = logging.getLogger(__name__)

_QUOTED = 60


async def tell(adapter: Any, turn_id: str, event: Any) -> None:
    """Say in the chat that Hermes failed to begin an event, and that nobody tries it again.

    The event is a message that an earlier worker left, or a step that Hermes itself had queued.
    ``adapter`` is the pipe adapter.
    """
    line = " ".join((event.text or "").split())
    words = line if len(line) <= _QUOTED else f"{line[:_QUOTED]}…"
    text = f"⚠️ This was queued here, and could not be begun: “{words}”. Please send it again."
    source = event.source
    try:
        await adapter.send(
            source.chat_id, with_id(text, turn_id), metadata=platforms.thread_metadata(source)
        )
    except Exception:  # boundary: the gateway may be gone
        logger.exception("nobody was told that a queued message could not be begun")
