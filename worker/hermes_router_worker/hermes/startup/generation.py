"""Keep the generation of Hermes's dependencies for all processes that this process forks.

Where Hermes's own package manager keeps the dependencies, Hermes's launcher leases a generation: it
opens a file in the folder ``.leases`` of that generation, and locks it. An update of Hermes removes
a generation without a locked file. Forked processes share the open file, so the lock ends with the
last of them. But Hermes removes the file when the first of them exits, and a lock without a file
protects nothing. So a process that forks takes a second lease, whose file no exit removes.
"""

from __future__ import annotations

import atexit
import contextlib
from pathlib import Path

from hermes_router.protocol.system import proc

_LEASES, _MARK = ".leases", ".lease-managed"

#: The kind of lock that a forked process shares; the kernel names it so.
_SHARED_LOCK = "FLOCK"


def lease_for_all_forks() -> str | None:
    """Lease the generation of this process until it and all processes that it forks have ended.

    A template calls it once, before its first fork. Nothing is done if this process has leased no
    generation. Returns the reason if a lease could not be had, else None.
    """
    generations = {_folder(one).parent for one in leases()}
    try:
        for generation in generations:
            from hermes_cli.runtime_state import lease_directory

            atexit.unregister(lease_directory(generation))
    except (ImportError, OSError) as error:
        return f"the generation of dependencies could not be leased: {error}"
    return None


def leases() -> set[int]:
    """Return the descriptors of this process's leases, which forked processes share.

    The module's text says what a lease is. Elsewhere than on Linux the set is empty.
    """
    descriptors = proc.own() / "fd"
    if not descriptors.exists():
        return set()
    found = (int(one.name) for one in descriptors.iterdir())
    return {one for one in found if _is_lease(one) and _shares_lock(one)}


def _is_lease(descriptor: int) -> bool:
    folder = _folder(descriptor)
    return folder.name == _LEASES and (folder.parent / _MARK).is_file()


def _shares_lock(descriptor: int) -> bool:
    with contextlib.suppress(OSError):
        lines = (proc.own() / "fdinfo" / str(descriptor)).read_text("ascii").splitlines()
        locks = [line.split() for line in lines if line.startswith("lock:")]
        return bool(locks) and all(_SHARED_LOCK in words for words in locks)
    return False


def _folder(descriptor: int) -> Path:
    """Return the folder of an open file; the current folder if the descriptor is closed."""
    with contextlib.suppress(OSError):
        return (proc.own() / "fd" / str(descriptor)).readlink().parent
    return Path()
