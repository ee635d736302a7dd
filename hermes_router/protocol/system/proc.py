"""The folder in which Linux shows a process its own state."""

from __future__ import annotations

from pathlib import Path

#: This process. The path is written only here, as Hermes's scan of new plugins reports each use.
SELF = Path("/proc/self")
