"""The lock that all workers of one home share; the kernel drops it when its holder dies."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO, Any

from hermes_router.protocol.files.lock import is_locked, try_lock
from hermes_router_worker.hermes.paths import FOLDER

WAIT_SECONDS = 5.0
"""Seconds to wait for the lock.

Critical sections last milliseconds; a holder that was stopped must not stop other workers.
"""

in_process = threading.RLock()
"""The lock that the threads of this process share, as processes share the lock file."""

_log = logging.getLogger(__name__)
_held: set[Path] = set()


@contextlib.contextmanager
def home_lock(home: Path, name: str = "state", wait: float | None = None) -> Iterator[bool]:
    """Hold the lock ``name`` that all workers of this home share; yield True if it was got.

    After ``wait`` seconds (by default :data:`WAIT_SECONDS`) the caller goes on without the lock,
    which is logged: to lose an update is better than to lose the turn. Blocks also allow no other
    thread of this process. May be nested.

    Raises:
        OSError: the lock file cannot be made.
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
                _log.error(
                    "%s: not released within %.1f s; the worker continues without the lock",
                    path,
                    seconds,
                )
            _held.add(path)
            try:
                yield got
            finally:
                _held.discard(path)


@contextlib.asynccontextmanager
async def home_lock_across_waits(home: Path, name: str) -> AsyncIterator[bool]:
    """Hold the lock ``name`` as :func:`home_lock` does, in a coroutine that waits in the block.

    Unlike that, it keeps no thread of this process from any other lock: the block may wait for such
    a thread. Must not be nested.

    Raises:
        OSError: the lock file cannot be made.
    """
    path = home / FOLDER / f"{name}.lock"
    with open_lock(path) as handle:
        got = acquire(handle, 0.0) or await asyncio.to_thread(acquire, handle)
        if not got:
            _log.error("%s: not released in time; going on without it", path)
        yield got


def open_lock(path: Path) -> Any:
    """Open a lock file without locking it, and make it and its folder if needed.

    :func:`acquire` locks it; to close it releases the lock.

    Raises:
        OSError: the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a", encoding="utf-8")


def acquire(handle: Any, wait: float | None = None) -> bool:
    """Lock an open lock file, with at least one attempt; return True if it was got.

    ``wait`` is as in :func:`home_lock`.
    """
    return try_lock(handle, WAIT_SECONDS if wait is None else wait)


def hold_for_life(path: Path) -> IO[bytes]:
    """Make a file that stays locked, from the moment it has its name until this process ends.

    Others find out by :func:`is_held` whether this process lives. A process that ends normally
    removes the file; a killed one leaves it unlocked. What killed processes left in the
    folder, this removes. Keep the returned file open.

    Raises:
        OSError: the file cannot be made or locked.
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
    for left in path.parent.glob("[!.]*.lock"):
        if left != path and not is_held(left):
            left.unlink(missing_ok=True)
    return lock


def is_held(path: Path) -> bool:
    """Return True if the process that made a file by :func:`hold_for_life` lives.

    It is also True if the file cannot be read: nobody then takes what may have an owner.
    """
    try:
        with path.open("rb") as lock:
            return is_locked(lock)
    except OSError:
        return True
