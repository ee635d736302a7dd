"""Which files a worker may send: no files of another profile."""

from __future__ import annotations

from pathlib import Path

from hermes_router_worker.hermes.guards.homes import is_foreign


def refuse_foreign(path: Path) -> None:
    """Raise if a file belongs to another profile's home, or to the root's.

    Called before each sending of a file. Most ways of attaching ask Hermes's list of such files
    first, which :mod:`hermes_router_worker.hermes.guards` extends; some do not.

    Raises:
        PermissionError: the file belongs to another profile, or to the root's home.
    """
    if is_foreign(path):
        raise PermissionError(f"{path} belongs to another profile and is not attached")
