"""The profile's channel directory: the names of the profile's own conversations.

Hermes builds this file in a gateway, from its adapters and sessions. A routed profile has no
gateway of its own, so its workers add what the real gateway tells them. Other entries stay, for
example those of a gateway that the profile runs as well.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from hermes_router.protocol import messages as msg

logger = logging.getLogger(__name__)


def add(places: Iterable[msg.Place]) -> None:
    """Add conversations to the profile's channel directory, or rename them.

    The caller holds the lock that all workers of the home share: the file is written as a whole. A
    place without a name is left out, and nothing is written if nothing changes. A file that cannot
    be written is logged.
    """
    path = Path(os.environ["HERMES_HOME"], "channel_directory.json")
    directory = _read(path)
    platforms: dict[str, Any] = directory.setdefault("platforms", {})
    changed = [
        _enter(platforms.setdefault(place.platform, []), _entry(place))
        for place in places
        if place.name
    ]
    if not any(changed):
        return
    directory["updated_at"] = datetime.now().isoformat()  # noqa: DTZ005 - as Hermes writes it
    try:
        importlib.import_module("utils").atomic_json_write(path, directory)
    except OSError as error:
        logger.warning("the channel directory could not be written: %s", error)


def _read(path: Path) -> dict[str, Any]:
    try:
        directory = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return directory if isinstance(directory, dict) else {}


def _entry(place: msg.Place) -> dict[str, Any]:
    thread = place.thread_id
    return {
        "id": f"{place.chat_id}:{thread}" if thread else place.chat_id,
        "name": place.name,
        "type": place.kind or "dm",
        "thread_id": thread,
    }


def _enter(entries: list[Any], entry: dict[str, Any]) -> bool:
    """Add an entry, or update it; return whether that changed anything."""
    for index, known in enumerate(entries):
        if isinstance(known, dict) and known.get("id") == entry["id"]:
            if known.get("name") == entry["name"]:
                return False
            entries[index] = known | entry
            return True
    entries.append(entry)
    return True
