"""Files that are there as a whole or not at all; both sides keep such."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def replace_file(path: Path, data: bytes) -> None:
    """Write a file, readable by nobody else, in place of what is there; raises ``OSError``.

    A reader sees the old or the new content. The name meanwhile is nobody else's: two sandboxed
    workers of one home may have the same process id.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(fresh).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(fresh).unlink()
        raise
