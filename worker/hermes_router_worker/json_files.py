"""Small JSON files in the profile's home: readable by nobody else, and there as a whole or not."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def read_map(path: Path) -> dict[str, Any]:
    """Return the object in a file; an empty one when the file is missing or broken."""
    content = _read(path)
    return content if isinstance(content, dict) else {}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects of the list in a file; none when the file is missing or broken."""
    content = _read(path)
    return [row for row in content if isinstance(row, dict)] if isinstance(content, list) else []


def write(path: Path, content: Any, *, indent: int | None = None) -> None:
    """Write a file in place of what is there; raises ``OSError``.

    A reader sees the old or the new content. The name meanwhile is nobody else's: two sandboxed
    workers of one home may have the same process id.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=indent)
        Path(fresh).replace(path)
    except BaseException:
        Path(fresh).unlink(missing_ok=True)
        raise


def identity(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is replaced, or a folder's content; None without one."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
