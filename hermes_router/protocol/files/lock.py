"""Locks on files, which the kernel drops when their holder ends or closes the file."""

from __future__ import annotations

import fcntl
import time
from typing import IO, Any


def try_lock(file: int | IO[Any], seconds: float = 0.0, *, pause: float = 0.002) -> bool:
    """Lock an open file for this process alone; return whether it was got.

    It is tried at least once, and again every ``pause`` seconds until ``seconds`` are over.
    Raises ``OSError`` where the file system has no locks.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
        else:
            return True
