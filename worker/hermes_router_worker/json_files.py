"""Small JSON files in the profile's home: only the owner can read them, each is written whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hermes_router.protocol.files.whole_file import replace_file


def read_map(path: Path) -> dict[str, Any]:
    """Return the object in a file; {} if the file is missing, broken or no JSON object."""
    content = _read(path)
    return content if isinstance(content, dict) else {}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects of the list in a file; [] if the file is missing, broken or no list."""
    content = _read(path)
    return [row for row in content if isinstance(row, dict)] if isinstance(content, list) else []


def write(path: Path, content: Any, *, indent: int | None = None) -> None:
    """Write ``content`` as JSON into a file, which is replaced as a whole.

    A reader sees either the old content or the new one. Only the owner can read the file.
    ``indent`` is as in :func:`json.dumps`.

    Raises:
        OSError: the file cannot be written.
    """
    replace_file(path, json.dumps(content, indent=indent).encode())


def identity(path: Path) -> tuple[int, int] | None:
    """Return a value that changes when a file is written or replaced; None if it does not exist.

    For a folder, the value changes when an entry in it is added, removed or renamed.
    """
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
