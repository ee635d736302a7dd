"""Describe a sticker in words, with the profile's own vision model and cache.

This follows Hermes's Telegram adapter, which does it where adapter and turn are in one process.
"""

from __future__ import annotations

import importlib
import json
import logging
from typing import Any

from hermes_router.protocol import messages as msg

logger = logging.getLogger(__name__)


async def describe(event: Any, sticker: msg.Sticker) -> None:
    """Replace the mark in a message's text by words for its sticker; remove the picture.

    The receiver calls it before Hermes gets the message. The words come from the cache, or from the
    profile's vision model. If that cannot describe the sticker, they name the emoji.
    """
    pictures, event.media_urls, event.media_types = event.media_urls, [], []
    cache = importlib.import_module("gateway.sticker_cache")
    known = cache.get_cached_description(sticker.id)
    if known:
        emoji, name = known.get("emoji", sticker.emoji), known.get("set_name", sticker.set_name)
        words = cache.build_sticker_injection(known["description"], emoji, name)
    else:
        seen = await _look(pictures[0], cache.STICKER_VISION_PROMPT) if pictures else None
        if seen is not None:
            cache.cache_sticker_description(sticker.id, seen, sticker.emoji, sticker.set_name)
        fallback = f"a sticker with emoji {sticker.emoji}" if sticker.emoji else "a sticker"
        words = cache.build_sticker_injection(seen or fallback, sticker.emoji, sticker.set_name)
    event.text = event.text.replace(sticker.mark, words, 1)


async def _look(picture: str, prompt: str) -> str | None:
    try:
        look = importlib.import_module("tools.vision_tools").vision_analyze_tool
        result = json.loads(await look(image_url=picture, user_prompt=prompt))
    except Exception as error:  # noqa: BLE001 - boundary: a message must not fail for a picture
        logger.warning("a sticker could not be described: %r", error)
        return None
    return str(result.get("analysis", "a sticker")) if result.get("success") else None
