"""Lock files; the kernel releases a lock when the process ends or closes the file."""

from __future__ import annotations

import fcntl
import time
from typing import IO, Any


def try_lock(file: int | IO[Any], seconds: float = 0.0, *, pause: float = 0.002) -> bool:
    """Lock an open file for this process alone; return False if another one holds the lock.

    This tries at least once, and again every ``pause`` seconds until ``seconds`` are over. The
    thread is blocked for that time.

    Raises:
        OSError: the file system has no locks.
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


def is_locked(file: int | IO[Any]) -> bool:
    """Return True if another process, or another open file of this one, holds the file's lock.

    Several processes may ask at the same time: this takes a shared lock for a moment, which hides
    the file from :func:`try_lock` only.

    Raises:
        OSError: the file system has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
