"""Write a file so that it is never seen half written; both sides use this."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def replace_file(path: Path, data: bytes, *, sync: bool = False) -> None:
    """Replace a file, or create it, readable by this user only.

    A reader sees either the old or the new content. The temporary name is random, because two
    sandboxed workers of one home may have the same process id. With ``sync``, that also holds after
    a power cut: the new content is on the disk before it gets the name, and the name on return.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                sync_file(file.fileno())
        Path(fresh).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(fresh).unlink()
        raise
    if sync:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def sync_file(file: int) -> None:
    """Return when what was written to a descriptor is on the disk.

    macOS has only the slower call for it.

    Raises:
        OSError: the disk failed.
    """
    os.fdatasync(file) if hasattr(os, "fdatasync") else os.fsync(file)
