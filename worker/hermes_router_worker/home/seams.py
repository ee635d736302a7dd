"""What the guards take from Hermes: its home, and members that must be there."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class SeamMissing(Exception):
    """Hermes has no such member: this version needs another guard, and none may be skipped."""

    def __init__(self, owner: Any, name: str) -> None:
        where = getattr(owner, "__name__", type(owner).__name__)
        super().__init__(
            f"this Hermes has no {where}.{name}, where hermes-router keeps two processes of one"
            " profile from deleting each other's state; see the supported versions in the README"
        )


def current_home() -> Path:
    """Return the home of this process's profile, as Hermes says it."""
    from hermes_constants import get_hermes_home

    return Path(get_hermes_home())


def require(owner: Any, name: str) -> Any:
    """Return ``owner.name``; raises :class:`SeamMissing` where this Hermes lacks it."""
    try:
        return getattr(owner, name)
    except AttributeError:
        raise SeamMissing(owner, name) from None


def do_nothing(*_args: Any, **_kwargs: Any) -> None:
    """Stand in for what a worker must not do."""
