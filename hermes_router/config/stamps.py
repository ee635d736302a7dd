"""What a file looks like from outside: another stamp means that somebody has changed the file."""

from __future__ import annotations

import os

Stamp = tuple[int, int, int, int] | None
"""Times of content and entry in nanoseconds, size and number of a file; None if it is missing."""
Stamps = dict[str, Stamp]


def stamp_of(file: str) -> Stamp:
    """Return the stamp of a file as it is now; None if it cannot be looked at."""
    try:
        info = os.stat(file)  # noqa: PTH116 - on the path of every message
    except OSError:
        return None
    return info.st_mtime_ns, info.st_size, info.st_ino, info.st_ctime_ns
