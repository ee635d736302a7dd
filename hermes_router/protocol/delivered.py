"""What the gateway has sent for a worker that died before it could cross it off.

Both sides name a text in a conversation by the same short hash, so that no text is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from hermes_router.protocol.messages import DeliveredText, Place

#: Seconds by which the clocks of writing down and of sending may seem to differ.
_SLACK = 1.0


def name_of(platform: str, chat_id: str, thread_id: str | None, text: str) -> str:
    """Return the name of a text that was sent to a conversation."""
    parts = (platform, chat_id, thread_id or "", text)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def is_settled(place: Place, text: str, noted: float, settled: Iterable[DeliveredText]) -> bool:
    """Say whether a text that was written down at the time ``noted`` is among what was sent."""
    name = name_of(place.platform, place.chat_id, place.thread_id, text)
    return any(
        one.name == name and one.since - _SLACK <= noted <= one.until + _SLACK for one in settled
    )
