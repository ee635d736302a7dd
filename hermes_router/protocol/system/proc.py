"""The folder in which Linux shows a process its own state."""

from __future__ import annotations

import os
from pathlib import Path


def own() -> Path:
    """Return the folder of this process: a forked process has another one than its parent."""
    return Path("/proc", str(os.getpid()))
