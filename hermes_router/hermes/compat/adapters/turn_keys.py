"""The key by which an adapter has the turns of one session run one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_KEY_OF = "_event_session_key"


def add_to_key(adapter: Any, more: Callable[[Any], str]) -> None:
    """Have ``adapter`` add the text ``more(source)`` to the key of each message; do so once.

    An event for which Hermes itself names the session keeps its key: the adapter compares the two.
    Hermes 0.19 has no method for the key, so an adapter of it is left as it is.
    """
    original = getattr(adapter, _KEY_OF, None)
    if original is None or hasattr(original, "adds"):
        return

    def key_of(event: Any) -> str:
        named = (getattr(event, "metadata", None) or {}).get("gateway_session_key")
        return str(original(event)) + ("" if named else more(event.source))

    key_of.adds = more  # type: ignore[attr-defined]
    setattr(adapter, _KEY_OF, key_of)
