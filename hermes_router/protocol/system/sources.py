"""Find the source files of the router and of Hermes on disk, and what tells two states apart."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path

#: The router's own packages: the gateway's side and the worker's.
OWN_PACKAGES = ("hermes_router", "hermes_router_worker")

#: Packages of Hermes; every release changes some of their files.
_HERMES_PACKAGES = ("gateway", "hermes_cli")

#: The size of a file in bytes and its time of change in nanoseconds; None if there is no such file.
Look = tuple[int, int] | None


def folder_of(package: str) -> Path | None:
    """Return the folder of an installed package without importing it; None if it is missing."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def of_router() -> list[Path]:
    """Return the paths of all Python files of the router's two packages, as installed."""
    folders = [folder for name in OWN_PACKAGES if (folder := folder_of(name))]
    return [file for folder in folders for file in sorted(folder.rglob("*.py"))]


def of_hermes() -> list[Path]:
    """Return paths of Hermes's Python files, of which each release changes some."""
    folders = [folder for name in _HERMES_PACKAGES if (folder := folder_of(name))]
    return [file for folder in folders for file in sorted(folder.glob("*.py"))]


def look(file: Path) -> Look:
    """Return the size and time of a file, which change at each write; None if it is missing."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def content(file: Path) -> bytes:
    """Return the content of a file; no bytes if it cannot be read."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def digest(file: Path) -> bytes:
    """Return a digest of the content of a file, as 32 bytes."""
    return hashlib.sha256(content(file)).digest()


def joined(digests: Mapping[Path, bytes]) -> str:
    """Return one digest of the names and the contents of files, as 16 hexadecimal characters.

    ``digests`` has the digest of each file's content. Two states of the code are the same if these
    are equal.
    """
    whole = hashlib.sha256()
    for file, part in digests.items():
        whole.update(file.name.encode(errors="replace") + b"\0" + part)
    return whole.hexdigest()[:16]
