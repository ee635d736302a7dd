"""Let only one of our commands at a time edit the configuration of a home.

Each command reads the file, changes its text and writes it whole. Two of them at once would both
report success, and one change would be lost.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from hermes_router.cli.status import CommandError
from hermes_router.protocol.files.lock import try_lock

_SECONDS = 60.0


@contextlib.contextmanager
def one_editor(home: Path) -> Iterator[None]:
    """Wait until no other command of ours edits in ``home``, and keep others waiting meanwhile.

    The lock is on the folder itself, so that it leaves no file. On a file system without locks, and
    in a folder that cannot be opened, nobody waits.

    Raises:
        CommandError: another command has edited for too long.
    """
    try:
        folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        if not _locked(folder):
            message = f"another command has been editing there for {_SECONDS:.0f} s"
            raise CommandError(message, where=str(home), hint="wait until it ends, or end it")
        yield
    finally:
        os.close(folder)


def _locked(folder: int) -> bool:
    try:
        return try_lock(folder, _SECONDS, pause=0.02)
    except OSError:
        return True
