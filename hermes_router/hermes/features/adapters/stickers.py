"""Stickers of routed places: fetched by the adapter, described by the profile's worker.

Hermes's Telegram adapter describes a sticker before it hands the message on: it has the vision
model of its own process look at it, and keeps the words in its own home. For a routed place that
is the wrong profile's model, key and home. So the adapter's method is replaced, on the adapter, by
one that only fetches the picture of a routed sticker; the words are the worker's to find.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from typing import Any

from hermes_router.bounded import BoundedMap
from hermes_router.hermes.compat.replacing.adapter_patches import STICKER, replace
from hermes_router.protocol import messages as msg

logger = logging.getLogger(__name__)

_MARK = "[a sticker]"
_REMEMBERED = 256


class Stickers:
    """The stickers that were fetched and not yet handed on; ``routed`` says whose a source is."""

    def __init__(self, routed: Callable[[Any], bool]) -> None:
        self._routed = routed
        self._fetched: BoundedMap[tuple[str, str], msg.Sticker] = BoundedMap(_REMEMBERED)

    def take_over(self, adapter: Any) -> None:
        """Have an adapter that describes stickers leave those of routed places alone."""

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
            keep = importlib.import_module("gateway.platforms.base").cache_image_from_bytes
            event.media_urls = [keep(bytes(content), ext=".webp")]
            event.media_types = ["image/webp"]
        except Exception as error:  # noqa: BLE001 - boundary: as Hermes, which then names the emoji
            logger.warning("hermes-router: a sticker could not be fetched: %r", error)

    def of(self, event: Any) -> msg.Sticker | None:
        """Return what is known of the sticker that a message is, or None."""
        return self._fetched.get(_place(event))


def _moves(sticker: Any) -> bool:
    """Say whether it is animated: Hermes does not look at those, but names the emoji."""
    return bool(getattr(sticker, "is_animated", False) or getattr(sticker, "is_video", False))


def _place(event: Any) -> tuple[str, str]:
    return str(event.source.chat_id), str(event.message_id)
