"""Find out whether a profile or Hermes has changed since a process was prepared from them."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from hermes_router.profiles.model import Profile
from hermes_router.protocol.system import sources
from hermes_router.protocol.system.versions import (
    DISTRIBUTION,
    HERMES_DISTRIBUTIONS,
    hermes_package,
)

#: The files of a profile that a prepared process reads before it gets a message.
_FILES = ("config.yaml", ".env", "SOUL.md", "auth.json")

_SOURCES = (".py", ".yaml", ".yml", ".md")
#: The folders that it reads too, at any depth, with the ends of the names of those files. Turns
#: themselves may change other files there: hooks and plugins keep notes beside their sources, and
#: Hermes counts the uses of skills.
_FOLDERS = {
    "skills": ("SKILL.md", "DESCRIPTION.md"),
    "plugins": _SOURCES,
    "hooks": ("HOOK.yaml", ".py"),
}

#: Maximum number of files of each folder that are checked; this limits the time.
_MOST_ENTRIES = 5000

Stamp = frozenset[tuple[str, int, int]]


def stamp_of(profile: Profile) -> Stamp:
    """Return a value that changes when prepared processes of the profile may not be used any more.

    The gateway compares the value from before with the one now (``==``), and prepares new processes
    if they differ. It depends on the profile's settings, keys, skills, plugins and hooks, on the
    installed Hermes and router, and on which folder the home is.
    """
    return _stamp(profile.home, _FOLDERS)


def obstacle_stamp_of(profile: Profile) -> Stamp:
    """Return a value that changes when a person edits files that may make a worker's start fail.

    While it is the same, a start that has failed will probably fail again, so the gateway waits.
    Skills are left out, because a start itself copies the skills that Hermes brings, and a failed
    start copies a part of them.
    """
    return _stamp(profile.home, {name: _FOLDERS[name] for name in ("plugins", "hooks")})


def folder_of(home: Path) -> tuple[int, int]:
    """Return which folder a home is, as its device and inode numbers; (0, 0) if it is gone.

    A home that was moved aside and made anew has its old name, and perhaps equal files, but it is
    another folder. A process of the old one works on in the old one.
    """
    try:
        found = home.stat()
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def _stamp(home: Path, folders: Mapping[str, tuple[str, ...]]) -> Stamp:
    paths = [home / name for name in _FILES]
    for name, ends in folders.items():
        paths += _below(home / name, ends)
    paths += _installations()
    entries = {entry for path in paths if (entry := _look(path)) is not None}
    return frozenset({*entries, (str(home), *folder_of(home))})


def _below(folder: Path, ends: tuple[str, ...]) -> list[Path]:
    found: list[Path] = []
    for parent, below, files in os.walk(folder):
        # Skip Python's caches and the hidden folders in which Hermes archives files.
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
    package = hermes_package()
    if package is not None:
        found.append(package.with_name("gateway") / "run.py")
    return tuple(found)


def _look(path: Path) -> tuple[str, int, int] | None:
    seen = sources.look(path)
    return None if seen is None else (str(path), *seen)
