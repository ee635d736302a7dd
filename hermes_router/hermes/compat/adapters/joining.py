"""The methods by which adapters join messages, and where each keeps the waiting event."""

from __future__ import annotations

from typing import Any

#: The adapters' methods that join events; for each, the attribute that holds waiting events by key.
JOINERS = {
    "_enqueue_text_event": "_pending_text_batches",
    "_enqueue_photo_event": "_pending_photo_batches",
    "_queue_media_group_event": "_media_group_events",
}

#: The adapters' methods that return the key under which an event is joined to others.
KEYS = ("_text_batch_key", "_photo_batch_key")


def held(adapter: Any, joiner: str, args: tuple[Any, ...]) -> Any:
    """Return the waiting event to which a call of a joining method adds its event, or None.

    An adapter lets an event wait for a moment, to join later ones to it. ``joiner`` is the method's
    name. ``args`` are the call's arguments; the last one is its event.
    """
    key = args[0] if len(args) > 1 else adapter._text_batch_key(args[-1])
    return getattr(adapter, JOINERS[joiner], {}).get(key)
