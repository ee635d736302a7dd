"""Copy the files that a kanban notice attaches, if a sandboxed worker may have named them.

When a card is finished, Hermes's notifier opens the files that the card names. If a sandboxed
worker can write to the board, only files in the board's own folder are sent. Each is opened, the
real path of the descriptor is checked, and a copy is made from the descriptor. So neither a link
nor an exchanged file can lead to another folder.
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
    """Copy those of ``paths`` that are in ``folder`` to the folder ``to``; return the new paths.

    Hermes's notifier then sends the copies. Files elsewhere, files with more than ``most`` bytes,
    and all that are no regular files are left out and logged. This blocks while it copies, and
    needs ``/proc``.
    """
    inside = folder.resolve()
    found = []
    for number, path in enumerate(dict.fromkeys(paths)):
        try:
            found.append(_copy(path, inside, to / str(number), most))
        except OSError as error:
            logger.warning("a file of a kanban card was not sent: %s: %s", path, error)
    return found


def _copy(path: str, inside: Path, to: Path, most: int) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        real = (proc.own() / "fd" / str(descriptor)).readlink()
        if not real.is_relative_to(inside):
            raise PermissionError("it is not in the board's folder")
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > most:
            raise PermissionError(f"it is not a regular file of at most {most} bytes")
        to.mkdir(mode=0o700)
        copy = to / real.name
        with os.fdopen(descriptor, "rb", closefd=False) as source, copy.open("xb") as target:
            shutil.copyfileobj(source, target)
    finally:
        os.close(descriptor)  # fdopen closes none that it refuses, as that of a folder
    return str(copy)
