"""Did the demo write anything outside its folder?

A machine is never quiet, so that a new file proves nothing by itself. A file counts when it was
made or changed since the demo began and holds, in its name or content, what only this run knows:
the name of its folder, or a secret word that it put into the gateway's environment. Looked through
are the places that programs like Hermes write to without being told: the temporary folders, the
user's home and what it holds for Hermes, the current directory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAX_FILE = 4 * 1024 * 1024
_MAX_ENTRIES = 200_000
_SKIPPED = {".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


@dataclass(frozen=True, slots=True)
class Footprint:
    """What tells the files of this run: since when (Unix time), which words, whose folder."""

    since: float
    words: tuple[bytes, ...]
    folder: Path

    def strays(self, places: dict[Path, int] | None = None) -> list[Path]:
        """Return files of this run outside its folder; `places` are folders with their depths."""
        found: dict[Path, None] = {}
        for place, depth in (likely_places() if places is None else places).items():
            found |= dict.fromkeys(path for path in _files(place, depth) if self._ours(path))
        return list(found)

    def _ours(self, path: Path) -> bool:
        if path.is_relative_to(self.folder):
            return False
        try:
            info = path.lstat()
            if max(info.st_mtime, info.st_ctime) < self.since:
                return False
            if any(word in os.fsencode(path) for word in self.words):
                return True
            content = path.read_bytes() if 0 < info.st_size <= _MAX_FILE else b""
        except OSError:
            return False
        return any(word in content for word in self.words)


def likely_places() -> dict[Path, int]:
    """Return the folders to look through, each with how deep."""
    home = Path.home()
    temporary = {Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")}
    hermes = [home / ".hermes"]
    for parent in (".config", ".cache", ".local/state", ".local/share"):
        hermes += (home / parent).glob("*hermes*")
    return {
        **dict.fromkeys(temporary, 2),
        home: 1,
        Path.cwd(): 4,
        **dict.fromkeys(hermes, 6),
    }


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """Yield the regular files of a folder, `depth` levels deep, within a bound."""
    waiting, seen = [(folder, depth)], 0
    while waiting and seen < _MAX_ENTRIES:
        current, left = waiting.pop()
        try:
            entries = list(os.scandir(current))
        except OSError:
            continue
        seen += len(entries)
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False) and left > 1 and entry.name not in _SKIPPED:
                waiting.append((Path(entry.path), left - 1))
