"""The files with observed messages of a routed place, in its profile's home for its next worker.

An observed message is a message of a group that was not for the bot; an adapter keeps it as
context. The gateway appends each to a file of the place. A line is a JSON map with ``source`` (the
plain fields of Hermes's ``SessionSource``) and ``entry`` (what Hermes puts into the transcript).
The gateway writes only while it holds the file's lock and the file still has its name. A worker
first renames the file, and then waits for the lock. After that nobody writes to the file.

The attachments of a message wait in the same folder; ``files`` of its line names them.
"""

from __future__ import annotations

import hashlib
from typing import TypedDict

FOLDER = ("hermes-router", "observed")

#: The beginning of the names of waiting attachments.
FILE_PREFIX = "file-"


class File(TypedDict):
    """An attachment of a message.

    ``named`` is its path in the message's text, ``stored`` its name in the folder where it waits,
    ``kind`` its media type.
    """

    named: str
    stored: str
    name: str
    kind: str


def lost(why: str = "it could not be kept") -> str:
    """Return the words that a message's text gets in place of a path whose file was not kept.

    ``why`` is the reason, which the agent reads there.
    """
    return f"nowhere, because {why}"


def file_name(platform: str, chat_id: object, thread_id: object) -> str:
    """Return the name of the file for this place's observed messages: a hash of the place."""
    place = "\0".join((platform, str(chat_id), "" if thread_id is None else str(thread_id)))
    return f"{hashlib.sha256(place.encode()).hexdigest()[:32]}.jsonl"
