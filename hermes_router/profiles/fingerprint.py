"""Whether a profile, or Hermes itself, changed since something was prepared from it."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from hermes_router.profiles.model import Profile
from hermes_router.protocol.system.versions import DISTRIBUTION, HERMES_DISTRIBUTIONS

#: What of a profile is read before there is a message.
_FILES = ("config.yaml", ".env", "SOUL.md", "auth.json")

_SOURCES = (".py", ".yaml", ".yml", ".md")
#: Folders, and what of the files below them, at any depth, Hermes reads then, by the name's end.
#: Whatever else lies there may be a turn's own doing: hooks and plugins keep notes beside their
#: sources, Hermes counts the uses of skills.
_FOLDERS = {
    "skills": ("SKILL.md", "DESCRIPTION.md"),
    "plugins": _SOURCES,
    "hooks": ("HOOK.yaml", ".py"),
}

#: Files that are looked at of each folder: a bound on the time it takes.
_MOST_ENTRIES = 5000

Stamp = frozenset[tuple[str, int, int]]


def stamp_of(profile: Profile) -> Stamp:
    """Return a value that changes when anything changes that a prepared process depends on."""
    paths = [profile.home / name for name in _FILES]
    for name, ends in _FOLDERS.items():
        paths += _below(profile.home / name, ends)
    paths += _installations()
    return frozenset(entry for path in paths if (entry := _look(path)) is not None)


def _below(folder: Path, ends: tuple[str, ...]) -> list[Path]:
    found: list[Path] = []
    for parent, below, files in os.walk(folder):
        # Neither Python's caches nor what Hermes has archived is read.
        below[:] = (name for name in below if name != "__pycache__" and not name.startswith("."))
        found += (Path(parent, name) for name in files if name.endswith(ends))
        if len(found) > _MOST_ENTRIES:
            break
    return found


@functools.cache
def _installations() -> tuple[Path, ...]:
    """Return files that change when Hermes or the router is updated."""
    found = [Path(__file__)]
    for name in (*HERMES_DISTRIBUTIONS, DISTRIBUTION):
        with contextlib.suppress(PackageNotFoundError):
            installed = distribution(name)
            folder = f"{name.replace('-', '_')}-{installed.version}.dist-info"
            found.append(Path(str(installed.locate_file(folder))))
    gateway = importlib.util.find_spec("gateway")
    if gateway is not None and gateway.origin:
        found.append(Path(gateway.origin).with_name("run.py"))
    return tuple(found)


def _look(path: Path) -> tuple[str, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return str(path), stat.st_mtime_ns, stat.st_size
