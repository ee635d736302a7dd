"""Replace the last edit of a streamed answer by a new message, if the adapter prefers that.

Telegram cannot edit a plain preview into a message with tables. So its adapter prefers a new
message for such a text. Hermes asks the adapter while it streams, in the worker, where it cannot
wait for the real adapter's answer. So the worker always edits, and the relay asks the adapter.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from hermes_router.base.bounded import BoundedMap
from hermes_router.relay.capabilities import takes

_REMEMBERED = 256

Replaced = BoundedMap[str, str]
"""Maps the id of a deleted preview to the id of the message that replaced it."""


def none_replaced() -> Replaced:
    """Return an empty map of replaced previews, which drops its oldest ids above 256."""
    return BoundedMap(_REMEMBERED)


async def edit(adapter: Any, call: Mapping[str, Any], replaced: Replaced) -> Any:
    """Edit a message, or replace it by a new one if the adapter prefers that for this text.

    The relay calls this for ``edit_message`` with the worker's arguments, ``call``. A message is
    replaced only by its last edit, and only once. ``replaced`` then maps its id to that of the new
    message, because the worker goes on naming the old one. Returns the adapter's result.
    """
    preview = str(call["message_id"])
    fresh_already = preview in replaced.values()
    if call.get("finalize") and not fresh_already and _prefers_fresh(adapter, call):
        result = await _send_fresh(adapter, call)
        if result is not None:
            replaced[preview] = str(result.message_id)
            return result
    return await adapter.edit_message(**call)


def _prefers_fresh(adapter: Any, call: Mapping[str, Any]) -> bool:
    ask = getattr(adapter, "prefers_fresh_final_streaming", None)
    if ask is None:
        return False
    more = {name: call.get(name) for name in ("metadata", "chat_id") if takes(ask, name)}
    with contextlib.suppress(Exception):  # adapters may raise anything; an edit is never wrong
        return ask(call["content"], **more) is True
    return False


async def _send_fresh(adapter: Any, call: Mapping[str, Any]) -> Any:
    """Send the text as a new message and delete the preview; None if it could not be sent."""
    metadata = {**(call.get("metadata") or {}), "notify": True}
    try:
        result = await adapter.send(
            chat_id=call["chat_id"], content=call["content"], metadata=metadata
        )
    except Exception:  # noqa: BLE001 - adapters may raise anything; then the caller edits
        return None
    if not getattr(result, "success", False) or getattr(result, "message_id", None) is None:
        return None
    with contextlib.suppress(Exception):  # the answer is shown; an old preview does no harm
        await adapter.delete_message(chat_id=call["chat_id"], message_id=call["message_id"])
    return result
