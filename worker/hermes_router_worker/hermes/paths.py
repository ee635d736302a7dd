"""Where the profile of this process lives."""

from __future__ import annotations

from pathlib import Path


def current_home() -> Path:
    """Return the home of this process's profile, as Hermes says it."""
    from hermes_constants import get_hermes_home

    return Path(get_hermes_home())
