"""Recognise texts that the gateway has sent for a worker which died before it could record that.

Both sides compute the same short hash as the name of a text in a conversation. So the text itself
need not be kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from hermes_router.protocol.messages import DeliveredText, Place

#: Seconds by which the time of recording and the time of sending may differ by clock errors.
_SLACK = 1.0


def name_of(platform: str, chat_id: str, thread_id: str | None, text: str) -> str:
    """Return a hash that stands for a text in a conversation, so that the text need not be kept.

    Gateway and worker compute the same 32 hexadecimal digits.
    """
    parts = (platform, chat_id, thread_id or "", text)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def is_settled(place: Place, text: str, noted: float, settled: Iterable[DeliveredText]) -> bool:
    """Return True if the gateway has sent this text for a worker that died.

    A worker asks before it sends an unsent reply of a dead one, so that nobody gets it twice.
    ``settled`` are the texts that the gateway has sent so. ``noted`` is the Unix time at which the
    dead worker recorded that it has to send this one.
    """
    name = name_of(place.platform, place.chat_id, place.thread_id, text)
    return any(
        one.name == name and one.since - _SLACK <= noted <= one.until + _SLACK for one in settled
    )
