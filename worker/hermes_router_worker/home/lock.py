"""The lock that all workers of one home share. The kernel drops it when its holder dies."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from hermes_router.protocol.files.lock import try_lock

FOLDER = "hermes-router"
"""The router's own folder in a profile's home."""
WAIT_SECONDS = 5.0
"""Critical sections last milliseconds; a holder that was stopped must not stop its siblings."""

in_process = threading.RLock()
"""What the threads of this process share, as its siblings share the file."""

_log = logging.getLogger(__name__)
_held: set[Path] = set()


@contextlib.contextmanager
def home_lock(home: Path, name: str = "state", wait: float | None = None) -> Iterator[bool]:
    """Hold the lock ``name`` that all workers of this home share; yields whether it was got.

    After ``wait`` seconds (by default :data:`WAIT_SECONDS`) the caller goes on without it, which is
    logged: losing an update is better than losing the turn. May be nested.
    """
    path = home / FOLDER / f"{name}.lock"
    with in_process:
        if path in _held:
            yield True
            return
        with open_lock(path) as handle:
            seconds = WAIT_SECONDS if wait is None else wait
            got = acquire(handle, seconds)
            if not got:
                _log.error("%s: not released within %.1f s; going on without it", path, seconds)
            _held.add(path)
            try:
                yield got
            finally:
                _held.discard(path)


def open_lock(path: Path) -> Any:
    """Open a lock file, making its folder if needed. Closing it releases the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a", encoding="utf-8")


def acquire(handle: Any, wait: float | None = None) -> bool:
    """Lock an open lock file, waiting as in :func:`home_lock`; return whether it was got.

    One attempt is always made.
    """
    return try_lock(handle, WAIT_SECONDS if wait is None else wait)


def hold_for_life(path: Path) -> IO[bytes]:
    """Make a file that is locked from the moment on that it has its name, until this process ends.

    Raises ``OSError`` where that cannot be. A process that ends as it should removes the file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{uuid.uuid4().hex}")
    lock = fresh.open("wb")
    try:
        try_lock(lock)
        fresh.rename(path)
    except OSError:
        lock.close()
        fresh.unlink(missing_ok=True)
        raise
    atexit.register(path.unlink, missing_ok=True)
    return lock


def is_held(path: Path) -> bool:
    """Say whether the process that made a file by :func:`hold_for_life` lives. In doubt it does."""
    try:
        with path.open("rb") as lock:
            return not try_lock(lock)
    except OSError:
        return True
