"""The folder in which Linux shows a process its own state."""

from __future__ import annotations

import os
from pathlib import Path


def own() -> Path:
    """Return the folder in ``/proc`` of this process, whether it exists or not.

    A forked process has another one than its parent, so the path must not be kept across a fork.
    """
    return Path("/proc", str(os.getpid()))
