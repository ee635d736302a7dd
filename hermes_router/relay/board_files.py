"""Files that a card's notice attaches, where a sandbox may have named them.

Hermes's notifier opens what a finished card names, whoever finished it. Once a sandbox writes to
the board, only what lies in the board's own folder is sent: a copy of it, made from a descriptor
whose real path was asked for, so that no link and no exchange leads elsewhere.
"""

from __future__ import annotations

import logging
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from hermes_router.protocol.system import proc

logger = logging.getLogger(__name__)


def copies(paths: Iterable[str], folder: Path, to: Path, *, most: int) -> list[str]:
    """Copy those of ``paths`` that lie in ``folder`` to the folder ``to``; return the copies.

    Larger ones than ``most`` bytes, and all that is no regular file, are left out. Needs ``/proc``.
    """
    inside = folder.resolve()
    found = []
    for number, path in enumerate(dict.fromkeys(paths)):
        try:
            found.append(_copy(path, inside, to / str(number), most))
        except OSError as error:
            logger.warning("a kanban card's file is not sent: %s: %s", path, error)
    return found


def _copy(path: str, inside: Path, to: Path, most: int) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as source:
        real = (proc.SELF / "fd" / str(descriptor)).readlink()
        if not real.is_relative_to(inside):
            raise PermissionError("it does not lie in the board's folder")
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > most:
            raise PermissionError(f"it is no regular file of at most {most} bytes")
        to.mkdir(mode=0o700)
        copy = to / real.name
        with copy.open("xb") as target:
            shutil.copyfileobj(source, target)
    return str(copy)
