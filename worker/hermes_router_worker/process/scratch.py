"""A worker's TMPDIR in the private ``/tmp`` of a sandbox, where the gateway cannot make it."""

from __future__ import annotations

import os
from pathlib import Path


def move_into(folder: str) -> None:
    """Make TMPDIR under its own name in ``folder``, for this process and its children."""
    path = Path(folder) / Path(os.environ["TMPDIR"]).name
    path.mkdir(mode=0o700, exist_ok=True)
    os.environ["TMPDIR"] = str(path)
