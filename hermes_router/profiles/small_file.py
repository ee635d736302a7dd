"""Reading a file that lies where a profile's own processes can write."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

#: A larger file is not read: its owner could stall the gateway.
MOST_BYTES = 16 * 1024 * 1024


def read_small(path: Path, most: int = MOST_BYTES, *, folder: int | None = None) -> bytes:
    """Return the content of a regular file; raises ``OSError`` for anything else.

    ``folder``: the descriptor of the folder that a relative path is in.
    """
    descriptor = os.open(path, _READ, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > most:
            raise OSError(f"{path} is no regular file of at most {most} bytes")
        return file.read(most)
