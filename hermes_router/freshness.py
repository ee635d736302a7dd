"""Whether a profile, or Hermes itself, changed since something was prepared from it."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from hermes_router.profiles import Profile

#: What of a profile is read before there is a message; of folders, the files at any depth.
_FILES = ("config.yaml", ".env", "SOUL.md", "auth.json")
#: Folders with all files below them; that Hermes makes an empty one changes nothing.
_FOLDERS = ("skills", "plugins", "hooks")

#: Files of the folders that are looked at, together: a bound on the time it takes.
_MOST_ENTRIES = 5000

Stamp = frozenset[tuple[str, int, int]]


def stamp_of(profile: Profile) -> Stamp:
    """Return a value that changes when anything changes that a prepared process depends on."""
    paths = [profile.home / name for name in _FILES]
    paths += _below(profile.home / name for name in _FOLDERS)
    paths += _installations()
    return frozenset(entry for path in paths if (entry := _look(path)) is not None)


def _below(folders: Iterator[Path]) -> list[Path]:
    found: list[Path] = []
    for folder in folders:
        for parent, below, files in os.walk(folder):
            # Python writes there when a plugin or a hook is first used; the sources tell enough.
            below[:] = (name for name in below if name != "__pycache__")
            found += (Path(parent, name) for name in files)
            if len(found) > _MOST_ENTRIES:
                return found
    return found


@functools.cache
def _installations() -> tuple[Path, ...]:
    """Return files that change when Hermes or the router is updated."""
    found = [Path(__file__)]
    for name in ("hermes-agent", "hermes-router"):
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
