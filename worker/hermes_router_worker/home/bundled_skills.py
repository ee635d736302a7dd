"""Copy Hermes's bundled skills into the home, once per Hermes version."""

from __future__ import annotations

from pathlib import Path

from hermes_router_worker.hermes.home import bundled_skills
from hermes_router_worker.hermes.paths import FOLDER, current_home
from hermes_router_worker.home.lock import home_lock

_WAIT_SECONDS = 60.0


def sync_skills_once() -> bool:
    """Copy the bundled skills unless this Hermes has done it; return True if it was done now.

    Hermes compares every file of every skill at each gateway start. For a worker that is a delay,
    and two workers at once would move the same folders. To have it done again, delete
    ``skills/.bundled_manifest`` in the home.
    """
    home = current_home()
    stamp = home / FOLDER / "skills-synced"
    if not bundled_skills.bundled() or _current(stamp):
        return False
    with home_lock(home, "skills", _WAIT_SECONDS):
        if _current(stamp):
            return False
        bundled_skills.sync()
        stamp.write_text(bundled_skills.version(), encoding="utf-8")
    return True


def _current(stamp: Path) -> bool:
    if not bundled_skills.synced():
        return False
    try:
        return stamp.read_text(encoding="utf-8") == bundled_skills.version()
    except FileNotFoundError:
        return False
