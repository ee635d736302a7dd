"""Writing down the chatter of a routed place in its profile's home."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hermes_router.protocol.observed import FOLDER, file_name

#: Bytes that may wait for one place. Chatter is context, and the newest matters; who reads none of
#: it for so long gets the oldest.
LIMIT = 1024 * 1024

_ATTEMPTS = 3
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK


def write_down(home: Path, source: Mapping[str, Any], entry: Mapping[str, Any]) -> None:
    """Append one message to what waits for a worker of the place. Does not block.

    No link is followed below ``home``: what lies there is the profile's to change.

    Raises:
        OSError: it cannot be written, or the place's file is full.
    """
    line = json.dumps({"source": source, "entry": entry}, ensure_ascii=False).encode() + b"\n"
    name = file_name(source["platform"], source["chat_id"], source.get("thread_id"))
    with _folder(home) as folder:
        for _attempt in range(_ATTEMPTS):
            if _append(folder, name, line):
                return
    raise BlockingIOError(f"the file for what is overheard in {home} is being taken")


def _append(folder: int, name: str, line: bytes) -> bool:
    """Append a line; False where a worker has just taken the file."""
    file = os.open(name, _APPEND, 0o600, dir_fd=folder)
    try:
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode) or state.st_size + len(line) > LIMIT:
            raise OSError(f"{name} is full, or no regular file")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            named = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except (BlockingIOError, FileNotFoundError):
            return False
        if (named.st_dev, named.st_ino) != (state.st_dev, state.st_ino):
            return False
        os.write(file, line)
        return True
    finally:
        os.close(file)


@contextlib.contextmanager
def _folder(home: Path) -> Iterator[int]:
    """Open the folder of these files, which is made if needed."""
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in FOLDER:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=folder)
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)
