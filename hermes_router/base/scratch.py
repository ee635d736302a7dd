"""Make the temporary folders of one gateway, and remove those that dead gateways left.

A worker's TMPDIR may contain secrets: Hermes writes the environment of a terminal there. The name
of each folder contains the gateway's key. The gateway holds a lock on a file with that key. A
gateway that starts removes the folders of each key whose lock no process holds.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
import threading
from pathlib import Path

from hermes_router.protocol.system.scratch import SCRATCH_PREFIX

_START = SCRATCH_PREFIX
_LOCK = "lock"

_lock = threading.Lock()
#: This process's key in each folder.
_keys: dict[Path, str] = {}


def make(folder: str | None, what: str = "") -> Path:
    """Make an empty folder that only this user can enter, and return its path.

    It is in ``folder``, or in Python's default temporary folder. Its name is short: Hermes's tools
    put Unix sockets there, whose paths may have at most 107 characters.
    """
    base = Path(folder or tempfile.gettempdir())
    return Path(tempfile.mkdtemp(prefix=f"{_START}{_key(base)}-{what}", dir=base))


def remove_left_behind(folder: str | None) -> int:
    """Remove the temporary folders of dead gateways in ``folder``; return how many there were.

    A gateway calls this at its start, ``disable`` after the gateway's end. Folders of gateways that
    run stay. With None it is Python's default temporary folder.
    """
    base, count = Path(folder or tempfile.gettempdir()), 0
    for file in base.glob(f".{_START}*.{_LOCK}"):
        key = file.name.removeprefix(f".{_START}").removesuffix(f".{_LOCK}")
        if key == _keys.get(base) or not key.isalnum():
            continue
        with contextlib.suppress(OSError), file.open("rb") as lock:
            if os.fstat(lock.fileno()).st_uid != os.getuid():
                continue
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            count += _remove_all(base, key)
            file.unlink()
    return count


def _remove_all(base: Path, key: str) -> int:
    count = 0
    for left in base.glob(f"{_START}{key}-*"):
        if not left.is_symlink() and left.lstat().st_uid == os.getuid():
            shutil.rmtree(left, ignore_errors=True)
            count += 1
    return count


def _key(base: Path) -> str:
    """Return this process's key in a folder. The process holds the key's lock until it ends.

    If the key's file cannot be made, no later gateway finds the key: then only this gateway removes
    the folder, and the next folder gets another key.
    """
    with _lock:
        if base in _keys:
            return _keys[base]
        key, locked = _new_key(base)
        if locked:
            _keys[base] = key
        return key


def _new_key(base: Path) -> tuple[str, bool]:
    """Make the file of a new key and lock it; return the key, and whether that succeeded."""
    while True:
        key = secrets.token_hex(2)
        flags = os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC
        try:
            lock = os.open(base / f".{_START}{key}.{_LOCK}", flags, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_nlink:  # no other gateway removed the file before the lock
                atexit.register(_release, base, key, os.getpid())
                return key, True
        except FileExistsError:
            continue
        except OSError:
            return key, False


def _release(base: Path, key: str, pid: int) -> None:
    """Remove the key's file at the end of the process that made it, if no folder needs it."""
    if os.getpid() == pid and not any(base.glob(f"{_START}{key}-*")):
        (base / f".{_START}{key}.{_LOCK}").unlink(missing_ok=True)
