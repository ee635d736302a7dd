"""Small JSON files in the profile's home: readable by nobody else, and there as a whole or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hermes_router.protocol.files.whole_file import replace_file


def read_map(path: Path) -> dict[str, Any]:
    """Return the object in a file; an empty one when the file is missing or broken."""
    content = _read(path)
    return content if isinstance(content, dict) else {}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects of the list in a file; none when the file is missing or broken."""
    content = _read(path)
    return [row for row in content if isinstance(row, dict)] if isinstance(content, list) else []


def write(path: Path, content: Any, *, indent: int | None = None) -> None:
    """Write a file in place of what is there, as a whole; raises ``OSError``."""
    replace_file(path, json.dumps(content, indent=indent).encode())


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
