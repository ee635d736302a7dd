"""Make the kanban board of all profiles available in a sandbox.

Hermes keeps one board for all profiles. Its files are in a folder of the Hermes root, except the
database of the default board. That one is in the root itself, beside secrets, and a sandbox does
not show the root. SQLite also keeps files beside its database, so showing one file is not enough.
So this module moves the database into the board's folder, once, and puts a link in its place. A
program that opens the link uses the same files as before.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from hermes_router.base.errors import ProfileError
from hermes_router.protocol.files.lock import try_lock
from hermes_router.workers.launchers.view import View

#: The database, and the lock file of Hermes's processes for its first opening.
_NAMES = ("kanban.db", "kanban.db.init.lock")

#: The folder with the other files of the default board.
_FOLDER = ("kanban", "boards", "default")


def show(view: View, root: Path, profile: str, *, patience: float = 10.0) -> None:
    """Show the kanban board of the Hermes ``root`` in the sandbox, for reading and writing.

    The launcher calls this if the profile shares the board. The first time, this moves the database
    into the board's folder. Before that it waits up to ``patience`` seconds for programs that use
    it.

    Raises:
        ProfileError: the database stays in use, or there is already one in the board's folder.
    """
    folder = root.joinpath(*_FOLDER)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _move(root / _NAMES[0], folder / _NAMES[0], time.monotonic() + patience)
    except (OSError, sqlite3.Error) as error:
        raise ProfileError(
            f"shares the kanban board, but its database cannot be moved to {folder}: {error}",
            profile=profile,
            hint="end the programs that use the board and send the message again, or remove "
            "kanban from share",
        ) from error
    view.show(root / _FOLDER[0], "rw")
    for name in _NAMES:
        view.links[root.resolve() / name] = str(Path(*_FOLDER, name))


def _move(database: Path, target: Path, deadline: float) -> None:
    """Move the database to ``target``, if it exists, and put a link in its place."""
    if database.is_symlink():
        return
    with _turn(database.with_name(_NAMES[1]), deadline):
        if database.is_symlink():  # another thread or gateway has moved it
            return
        if not database.exists():
            _link(database)
            return
        with _alone(database, deadline):
            os.link(database, target)  # fails if the target exists: we cannot choose one
            _link(database)
        _link(database.with_name(_NAMES[1]))


@contextlib.contextmanager
def _turn(lock: Path, deadline: float) -> Iterator[None]:
    """Hold Hermes's lock for the first opening of the database.

    Raises:
        BlockingIOError: another process still holds the lock at the ``deadline`` (monotonic).
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not try_lock(descriptor, deadline - time.monotonic(), pause=0.05):
            raise BlockingIOError(f"{lock} is held by another process")
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _alone(database: Path, deadline: float) -> Iterator[None]:
    """Open the database for us alone, without SQLite's files beside it.

    Raises:
        BlockingIOError: another process still uses it at the ``deadline`` (monotonic seconds).
    """
    with closing(sqlite3.connect(database, timeout=0.2, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        while True:  # SQLite leaves the shared journal (WAL) only if we are alone
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
    """Replace a file of the root by a link to the file of the same name in the board's folder."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(Path(*_FOLDER, path.name))
    fresh.replace(path)
