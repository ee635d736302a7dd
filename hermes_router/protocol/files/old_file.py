"""Remove a file that its process left when it was killed."""

from __future__ import annotations

import time
from pathlib import Path


def remove_if_older(path: Path, seconds: float) -> bool:
    """Remove a file that nobody has written for so long; return True if it was removed.

    A file that cannot be looked at or removed is left alone, and so is a folder.
    """
    try:
        if time.time() - path.lstat().st_mtime <= seconds:
            return False
        path.unlink()
    except OSError:
        return False
    return True
