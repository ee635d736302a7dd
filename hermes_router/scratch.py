"""Temporary folders of one gateway, which the next one removes if this one could not.

What a worker keeps in its TMPDIR may be secret: Hermes writes the environment of a terminal there.
Each folder's name has the gateway's key in it. The gateway holds a lock on a file with that key; a
gateway that starts removes the folders of each key whose lock nobody holds.
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
#: By folder: this process's key there.
_keys: dict[Path, str] = {}


def make(folder: str | None, what: str = "") -> Path:
    """Make an empty folder that only this user can enter, in ``folder`` or where Python makes them.

    The name is short: Hermes's tools put Unix sockets there, whose paths may have 107 characters.
    """
    base = Path(folder or tempfile.gettempdir())
    return Path(tempfile.mkdtemp(prefix=f"{_START}{_key(base)}-{what}", dir=base))


def remove_left_behind(folder: str | None) -> int:
    """Remove what gateways that are gone have left in a folder; return how many folders it was."""
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
    """Return this process's key in a folder, whose lock it holds as long as it lives."""
    with _lock:
        if base not in _keys:
            _keys[base] = _new_key(base)
        return _keys[base]


def _new_key(base: Path) -> str:
    """Make a key's file and lock it. Without a lock the folders are this gateway's to remove."""
    while True:
        key = secrets.token_hex(2)
        flags = os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_CLOEXEC
        try:
            lock = os.open(base / f".{_START}{key}.{_LOCK}", flags, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(lock).st_nlink:  # nobody removed it before it was locked
                atexit.register(_release, base, key, os.getpid())
                return key
        except FileExistsError:
            continue
        except OSError:
            return key


def _release(base: Path, key: str, pid: int) -> None:
    """Remove the key's file at the end of the process that made it, if no folder needs it."""
    if os.getpid() == pid and not any(base.glob(f"{_START}{key}-*")):
        (base / f".{_START}{key}.{_LOCK}").unlink(missing_ok=True)
