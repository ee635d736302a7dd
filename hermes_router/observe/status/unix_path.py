"""Short names for Unix sockets in deep folders: the system allows a path of 107 bytes only."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hermes_router.protocol.system import proc

_MOST = 100


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """Yield a short name of ``path`` that a socket can be bound or connected to.

    It holds in the block only.

    Raises:
        OSError: the path is too long, and this system has no short name for it.
    """
    if len(os.fsencode(path)) <= _MOST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        shown = proc.own() / "fd" / str(folder)
        if not shown.exists():
            raise OSError(f"{path} is too long for the path of a socket")
        yield str(shown / path.name)
    finally:
        os.close(folder)
