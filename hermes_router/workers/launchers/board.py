"""The kanban board for a sandbox: a folder, for SQLite keeps files beside its database.

Hermes keeps one board for all profiles. What belongs to it lies in a folder of the Hermes root, but
for the database of the default board: that lies in the root itself, among its secrets, where no
sandbox looks. So it is moved into the board's folder, once, and a link takes its place: whoever
opens it there gets the same files as before, also those beside it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from hermes_router.errors import ProfileError
from hermes_router.protocol.files.lock import try_lock
from hermes_router.workers.launchers.view import View

#: The database, and the file by which Hermes's processes take turns to open it anew.
_NAMES = ("kanban.db", "kanban.db.init.lock")

#: Where Hermes keeps what belongs to the default board besides.
_FOLDER = ("kanban", "boards", "default")


def show(view: View, root: Path, profile: str, *, patience: float = 10.0) -> None:
    """Show the board of the Hermes ``root`` for writing; wait so many seconds for who uses it.

    Raises:
        ProfileError: its database is in use where it is, or there are two.
    """
    folder = root.joinpath(*_FOLDER)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _move(root / _NAMES[0], folder / _NAMES[0], time.monotonic() + patience)
    except (OSError, sqlite3.Error) as error:
        raise ProfileError(
            f"is to share the kanban board, whose database cannot be moved to {folder}: {error}",
            profile=profile,
            hint="end what uses the board and write again, or take kanban out of share",
        ) from error
    view.show(root / _FOLDER[0], "rw")
    for name in _NAMES:
        view.links[root.resolve() / name] = str(Path(*_FOLDER, name))


def _move(database: Path, target: Path, deadline: float) -> None:
    """Have the database at ``target`` and a link in its place, whatever there is."""
    if database.is_symlink():
        return
    with _turn(database.with_name(_NAMES[1]), deadline):
        if database.is_symlink():  # another thread or gateway was first
            return
        if not database.exists():
            _link(database)
            return
        with _alone(database, deadline):
            os.link(database, target)  # fails where there is one already: which counts?
            _link(database)
        _link(database.with_name(_NAMES[1]))


@contextlib.contextmanager
def _turn(lock: Path, deadline: float) -> Iterator[None]:
    """Keep Hermes's processes from opening the database for the first time."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not try_lock(descriptor, deadline - time.monotonic(), pause=0.05):
            raise BlockingIOError(f"{lock} is held by another process")
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _alone(database: Path, deadline: float) -> Iterator[None]:
    """Hold the database so that nobody else has it open, with nothing left beside it."""
    with closing(sqlite3.connect(database, timeout=0.2, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        while True:  # only who is alone may leave the journal that all share
            try:
                (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
                if mode == "delete":
                    connection.execute("BEGIN EXCLUSIVE")
                    break
            except sqlite3.OperationalError:
                mode = "locked"
            if time.monotonic() > deadline:
                raise BlockingIOError(f"it is in use ({mode})")
            time.sleep(0.05)
        yield
        connection.execute("ROLLBACK")


def _link(path: Path) -> None:
    """Put a link into the board's folder in the place of a file of the root."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(Path(*_FOLDER, path.name))
    fresh.replace(path)
