"""Read a file safely from a folder in which a profile's own processes can write."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

#: A file with more bytes is not read, as a profile could block the gateway with it.
MOST_BYTES = 16 * 1024 * 1024


def read_small(path: Path, most: int = MOST_BYTES, *, folder: int | None = None) -> bytes:
    """Return the content of a regular file of at most ``most`` bytes; follow no link.

    A relative path is in the folder with the descriptor ``folder``.

    Raises:
        OSError: the file cannot be read, is too large, or is no regular file.
    """
    descriptor = os.open(path, _READ, dir_fd=folder)
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > most:
            raise OSError(f"{path} is not a regular file of at most {most} bytes")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(descriptor)  # fdopen closes none that it refuses, as that of a folder
