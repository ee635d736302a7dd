"""Where Linux shows a process to itself."""

from __future__ import annotations

from pathlib import Path

#: This process. Only here: Hermes's scan of new plugins asks about each place that names it.
SELF = Path("/proc/self")
