"""Which files a worker sends: not those of another profile."""

from __future__ import annotations

from pathlib import Path

from hermes_router_worker.hermes.guards.homes import is_foreign


def refuse_foreign(path: Path) -> None:
    """Refuse to attach what lies in another profile's home, or in the root's.

    Most ways of attaching ask Hermes's list first, which :mod:`..guards` has widened; some do not.
    Raises ``PermissionError``.
    """
    if is_foreign(path):
        raise PermissionError(f"{path} belongs to another profile and is not attached")
