"""Where the chatter of a routed place waits in its profile's home until a worker takes it.

An adapter may keep messages of a group that are not meant for the bot, as context for those that
are. The gateway appends each to a file of the place, one JSON map per line with ``source`` (the
plain fields of Hermes's ``SessionSource``) and ``entry`` (what Hermes puts into the transcript).
The writer holds the file's lock, and writes only while the file has its name. A worker renames the
file before it reads it, and then waits for the lock: nobody writes to it any more.

Files that came with a message lie in the same folder until then; ``files`` of its line names them.
"""

from __future__ import annotations

import hashlib
from typing import TypedDict

FOLDER = ("hermes-router", "observed")

#: How the names of waiting files begin.
FILE_PREFIX = "file-"


class File(TypedDict):
    """A file of a message: under which path the text names it, and where it waits."""

    named: str
    stored: str
    name: str
    kind: str


def lost(why: str = "it could not be kept") -> str:
    """Return what a text says in place of the path of a file that is not there."""
    return f"nowhere, for {why}"


def file_name(platform: str, chat_id: object, thread_id: object) -> str:
    """Return the name of a place's file; it tells nothing of the place."""
    place = "\0".join((platform, str(chat_id), "" if thread_id is None else str(thread_id)))
    return f"{hashlib.sha256(place.encode()).hexdigest()[:32]}.jsonl"
