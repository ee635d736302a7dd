"""Hermes's bundled skills: where they are, and how they get into the home."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from hermes_router_worker.json_files import identity


def bundled() -> bool:
    """Return True if this Hermes comes with skills."""
    return _folder().is_dir()


def synced() -> bool:
    """Return True if the home has the list of bundled skills that were copied into it.

    A person deletes that list to have the skills copied again.
    """
    return Path(_module().MANIFEST_FILE).exists()


def sync() -> None:
    """Have Hermes copy new and changed skills into the home.

    It compares each file of each skill, which takes long.
    """
    _module().sync_skills(quiet=True)


def version() -> str:
    """Return a text that changes when the bundled skills may have changed.

    It is written into the home when they have been copied.
    """
    folder = _folder()
    return f"{importlib.import_module('hermes_cli').__version__} {folder} {identity(folder)}"


def _folder() -> Path:
    beside = Path(_module().__file__).parent.parent / "skills"  # where Hermes's source has them
    return Path(importlib.import_module("hermes_constants").get_bundled_skills_dir(beside))


def _module() -> Any:
    return importlib.import_module("tools.skills_sync")
