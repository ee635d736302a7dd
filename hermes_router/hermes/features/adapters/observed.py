"""Files of observed messages in routed places: they wait in the profile's home for a worker.

Hermes's Telegram adapter downloads what people show each other in a group that it listens to. It
puts the file into the cache of its own home, and keeps the path in the text of the message. In a
routed place, the profile's worker must find the file in the profile's cache, and the gateway must
keep no copy. So the adapter's method is wrapped: the downloaded file moves into the profile's home
before the message is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hermes_router.base.bounded import BoundedMap
from hermes_router.hermes.compat.events import in_words
from hermes_router.hermes.compat.replacing.adapter_patches import OBSERVED_MEDIA, replace
from hermes_router.hermes.compat.seams import message_sources
from hermes_router.protocol.files.observed import File, lost
from hermes_router.state.observed import keep_file

logger = logging.getLogger(__name__)

_REMEMBERED = 256


class OverheardFiles:
    """Attachments of observed messages, between their download and the writing of their message.

    The adapter downloads a file first. Then it writes the message through the session store, which
    asks :meth:`of` for its files. ``home_of`` is that of
    :class:`hermes_router.hermes.features.adapters.sessions.RoutedSessions`; ``largest_of`` returns
    the largest size of a file, in bytes, in a routed place.
    """

    def __init__(self, home_of: Callable[[Any], Any], largest_of: Callable[[Any], int]) -> None:
        self._home_of = home_of
        self._largest_of = largest_of
        self._kept: BoundedMap[tuple[str, str], list[File]] = BoundedMap(_REMEMBERED)

    def take_over(self, adapter: Any) -> None:
        """Wrap the method that downloads files, so that a routed place's file leaves the cache.

        The router calls this for each new adapter; a second call for one does nothing.
        """

        def around(original: Callable[..., Any]) -> Callable[..., Any]:
            async def fetch(message: Any, event: Any) -> None:
                source = message_sources.shared_source(adapter, event.source)
                if self._home_of(source) is None:
                    return  # nobody keeps the message either
                await original(message, event)
                home = self._home_of(source)
                if isinstance(home, Path):
                    await self._move(event, home, self._largest_of(source))

            return fetch

        replace(adapter, OBSERVED_MEDIA, self, around)

    async def _move(self, event: Any, home: Path, largest: int) -> None:
        """Move the files of a message into a home; its text then names the missing ones."""
        kinds = dict(zip(event.media_urls or (), event.media_types or (), strict=False))
        event.media_urls, event.media_types = [], []
        kept = []
        for named, kind in kinds.items():
            file = await asyncio.to_thread(_moved, home, str(named), str(kind), largest)
            if isinstance(file, str):
                event.text = (event.text or "").replace(str(named), file)
            else:
                kept.append(file)
        if kept:
            self._kept[str(event.source.chat_id), str(event.message_id)] = kept

    def of(self, source: Any, entry: Mapping[str, Any]) -> list[File]:
        """Return the attachments of an observed message, and forget them here.

        ``entry`` is the message as the adapter writes it. The session store calls this.
        """
        return self._kept.pop((str(source.chat_id), str(entry.get("message_id"))), [])


def _moved(home: Path, named: str, kind: str, largest: int) -> File | str:
    """Move one file; return where it waits, or the text that replaces its path."""
    path = message_sources.cached_media(named)
    if path is None:
        return lost()
    try:
        if path.stat().st_size > largest:
            return lost(f"a file may have at most {in_words(largest)} here")
        return File(named=named, stored=keep_file(home, path, largest), name=path.name, kind=kind)
    except OSError as error:
        logger.warning("hermes-router: a file of an observed message was not kept: %s", error)
        return lost()
    finally:
        path.unlink(missing_ok=True)
