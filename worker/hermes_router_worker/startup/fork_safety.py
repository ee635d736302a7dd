"""Find what makes a fork unsafe: other threads, and descriptors that must not be shared.

A child has one thread, so a lock that another thread held stays locked in the child for ever. A
child has all descriptors of its parent and shares the open files: each byte of a connection, and
each event of a queue, reaches only one of the two. To close a database file drops all locks of the
whole process on it.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
import time
from collections.abc import Collection

from hermes_router.protocol.system import proc

#: Seconds that the kernel may still list a thread which has been joined.
_ENDING_SECONDS = 1.0

_DATABASE = b"SQLite format 3\0"
_BESIDE_DATABASE = ("-wal", "-shm", "-journal")


def obstacle(expected: Collection[int]) -> str | None:
    """Return what makes forking this process unsafe now, in words, or None.

    A template asks before each fork, and ends if there is something. ``expected`` are the
    descriptors by which the process talks to the process that started it. Besides these, it may
    have files that it reads or appends to, as logs are, and devices such as ``/dev/null``.
    """
    return _threads() or _descriptors(expected)


def _threads() -> str | None:
    names = [thread.name for thread in threading.enumerate()]
    if len(names) > 1:
        return f"threads are running: {', '.join(sorted(names))}"
    unknown = _unknown_threads()
    deadline = time.monotonic() + _ENDING_SECONDS
    while unknown and time.monotonic() < deadline:
        time.sleep(0.01)
        unknown = _unknown_threads()
    return f"{unknown} threads that Python does not know are running" if unknown else None


def _unknown_threads() -> int:
    tasks = proc.own() / "task"
    return len(list(tasks.iterdir())) - 1 if tasks.exists() else 0


def _descriptors(expected: Collection[int]) -> str | None:
    descriptors = proc.own() / "fd"
    if not descriptors.exists():
        return None
    found = sorted(int(one.name) for one in descriptors.iterdir())
    unsafe = [_named(one) for one in found if one not in expected and not _may_be_shared(one)]
    return f"descriptors are open: {', '.join(unsafe)}" if unsafe else None


def _may_be_shared(descriptor: int) -> bool:
    try:
        kind = os.fstat(descriptor).st_mode
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    except OSError:  # the descriptor by which they were listed
        return True
    if stat.S_ISREG(kind):
        reads_or_appends = flags & os.O_ACCMODE == os.O_RDONLY or flags & os.O_APPEND
        return bool(reads_or_appends) and not _is_database(descriptor)
    return stat.S_ISCHR(kind) or stat.S_ISDIR(kind)


def _is_database(descriptor: int) -> bool:
    path = _target(descriptor)
    if path.removesuffix(" (deleted)").endswith(_BESIDE_DATABASE):
        return True
    try:
        return os.pread(descriptor, len(_DATABASE), 0) == _DATABASE
    except OSError:  # open for writing only, so it is no database
        return False


def _named(descriptor: int) -> str:
    return f"{descriptor} is {_target(descriptor)}"


def _target(descriptor: int) -> str:
    try:
        return str((proc.own() / "fd" / str(descriptor)).readlink())
    except OSError:
        return "gone"
