"""Hermes's bundled skills: brought into the home once per Hermes version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hermes_router_worker.hermes.paths import current_home
from hermes_router_worker.home.lock import FOLDER, home_lock
from hermes_router_worker.json_files import identity

_WAIT_SECONDS = 60.0


def sync_skills_once() -> bool:
    """Sync the bundled skills unless it was done with this Hermes; returns whether it was done now.

    Hermes compares every file of every skill at each gateway start. For a worker that is a delay,
    and two at once move the same folders. Deleting ``skills/.bundled_manifest`` asks for it again.
    """
    from tools import skills_sync

    home = current_home()
    stamp = home / FOLDER / "skills-synced"
    if not Path(skills_sync._get_bundled_dir()).is_dir() or _skills_current(stamp, skills_sync):
        return False
    with home_lock(home, "skills", _WAIT_SECONDS):
        if _skills_current(stamp, skills_sync):
            return False
        skills_sync.sync_skills(quiet=True)
        stamp.write_text(_skills_version(skills_sync), encoding="utf-8")
    return True


def _skills_current(stamp: Path, skills_sync: Any) -> bool:
    if not Path(skills_sync.MANIFEST_FILE).exists():
        return False
    try:
        return stamp.read_text(encoding="utf-8") == _skills_version(skills_sync)
    except FileNotFoundError:
        return False


def _skills_version(skills_sync: Any) -> str:
    """Return what changes when bundled skills can have changed: the version and their folder."""
    import hermes_cli

    folder = Path(skills_sync._get_bundled_dir())
    return f"{hermes_cli.__version__} {folder} {identity(folder)}"
