"""Unix sockets below folders with long names: the system takes 107 characters of a path."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hermes_router.protocol.system.proc import SELF

_MOST = 100


@contextlib.contextmanager
def short(path: Path) -> Iterator[str]:
    """Give a name of ``path`` that a socket can be bound or connected to; raises ``OSError``."""
    if len(os.fsencode(path)) <= _MOST:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        shown = SELF / "fd" / str(folder)
        if not shown.exists():
            raise OSError(f"{path} is too long a name for a socket")
        yield str(shown / path.name)
    finally:
        os.close(folder)
