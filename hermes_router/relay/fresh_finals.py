"""The last edit of a streamed answer, where the platform would rather have a new message.

Telegram cannot turn a plain preview into a message with tables, so its adapter asks for a fresh
message instead, by what the text contains. Hermes asks while it streams, in the worker, which
cannot wait for the real adapter's answer there. So the worker always edits, and the relay asks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from hermes_router.bounded import BoundedMap
from hermes_router.relay.capabilities import takes

_REMEMBERED = 256

Replaced = BoundedMap[str, str]
"""Ids of previews that are gone, with the id of the message that stands in their place."""


def none_replaced() -> Replaced:
    """Return an empty map, which forgets the oldest ids."""
    return BoundedMap(_REMEMBERED)


async def edit(adapter: Any, call: Mapping[str, Any], replaced: Replaced) -> Any:
    """Edit a message; replace it by a fresh one where the adapter prefers that for this text."""
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
    with contextlib.suppress(Exception):  # an adapter may raise anything; to edit is always right
        return ask(call["content"], **more) is True
    return False


async def _send_fresh(adapter: Any, call: Mapping[str, Any]) -> Any:
    """Send the text as a new message and delete the preview; None if it could not be sent."""
    metadata = {**(call.get("metadata") or {}), "notify": True}
    try:
        result = await adapter.send(
            chat_id=call["chat_id"], content=call["content"], metadata=metadata
        )
    except Exception:  # noqa: BLE001 - an adapter may raise anything; the preview is edited then
        return None
    if not getattr(result, "success", False) or getattr(result, "message_id", None) is None:
        return None
    with contextlib.suppress(Exception):  # the answer is there; its preview may stay
        await adapter.delete_message(chat_id=call["chat_id"], message_id=call["message_id"])
    return result
