"""Which files a worker sends: not those of another profile."""

from __future__ import annotations

import os
from pathlib import Path


def refuse_foreign(path: Path) -> None:
    """Refuse to attach what lies in another profile's home, or in the root's.

    Hermes's own list of files that may not be attached covers the running home only.
    Raises ``PermissionError``.
    """
    home = Path(os.environ["HERMES_HOME"]).resolve()
    root = home.parent.parent if home.parent.name == "profiles" else home
    resolved = path.resolve()
    if resolved.is_relative_to(root) and not resolved.is_relative_to(home):
        raise PermissionError(f"{path} belongs to another profile and is not attached")
