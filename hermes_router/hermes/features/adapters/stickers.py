"""Stickers of routed places: the adapter downloads them, the profile's worker describes them.

Hermes's Telegram adapter describes a sticker before it hands the message on. It asks the vision
model of its own process, and keeps the text in its own home. For a routed place, that is the wrong
profile's model, key and home. So the adapter's method is replaced: for a routed sticker, the new
method only downloads the picture, and the worker makes the text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hermes_router.base.bounded import BoundedMap
from hermes_router.hermes.compat.replacing.adapter_patches import STICKER, replace
from hermes_router.hermes.compat.seams import message_sources
from hermes_router.protocol import messages as msg

logger = logging.getLogger(__name__)

_MARK = "[a sticker]"
_REMEMBERED = 256


class Stickers:
    """Keeps what is known of the stickers in the newest routed messages, for their workers.

    ``routed`` returns True if the place of a source is routed. The 256 newest are kept, in memory.
    """

    def __init__(self, routed: Callable[[Any], bool]) -> None:
        self._routed = routed
        self._fetched: BoundedMap[tuple[str, str], msg.Sticker] = BoundedMap(_REMEMBERED)

    def take_over(self, adapter: Any) -> None:
        """Wrap the adapter's method for stickers: in a routed place it only downloads the picture.

        The router calls this for each new adapter. Moving stickers are left to the adapter.
        """

        def around(original: Callable[..., Any]) -> Callable[..., Any]:
            async def handle(message: Any, event: Any) -> None:
                sticker = getattr(message, "sticker", None)
                if sticker is None or _moves(sticker) or not self._routed(event.source):
                    await original(message, event)
                else:
                    await self._fetch(sticker, event)

            return handle

        replace(adapter, STICKER, self, around)

    async def _fetch(self, sticker: Any, event: Any) -> None:
        event.text = _MARK
        self._fetched[_place(event)] = msg.Sticker(
            mark=_MARK,
            id=str(sticker.file_unique_id),
            emoji=sticker.emoji or "",
            set_name=sticker.set_name or "",
        )
        try:
            content = await (await sticker.get_file()).download_as_bytearray()
            event.media_urls = [message_sources.cached_image(bytes(content), ".webp")]
            event.media_types = ["image/webp"]
        except Exception as error:  # noqa: BLE001 - boundary: as Hermes, which then names the emoji
            logger.warning("hermes-router: a sticker could not be fetched: %r", error)

    def of(self, event: Any) -> msg.Sticker | None:
        """Return the sticker in a routed message, for its worker; None if it has none."""
        return self._fetched.get(_place(event))


def _moves(sticker: Any) -> bool:
    """Say whether a sticker is animated: for those, Hermes only names the emoji."""
    return bool(getattr(sticker, "is_animated", False) or getattr(sticker, "is_video", False))


def _place(event: Any) -> tuple[str, str]:
    return str(event.source.chat_id), str(event.message_id)
