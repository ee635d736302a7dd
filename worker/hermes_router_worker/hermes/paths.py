"""The home of this process's profile."""

from __future__ import annotations

from pathlib import Path

FOLDER = "hermes-router"
"""The router's own folder in a profile's home."""


def current_home() -> Path:
    """Return the home of this process's profile, as Hermes names it."""
    from hermes_constants import get_hermes_home

    return Path(get_hermes_home())
