"""Hermes's emergency stop, from 0.20 on: a file in a home, while which nothing new is begun there.

The root's holds for every home. A worker asks Hermes itself; what a sandbox hides from it, and
what begins without a message, the gateway looks for.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any


def paused_reply() -> str | None:
    """Return what Hermes answers to a message while this process's home or the root is paused."""
    estop = _module()
    answer: str | None = estop.paused_reply() if estop is not None else None
    return answer


def paused(home: Path) -> bool:
    """Say whether a profile may begin nothing new: it is paused, or all are."""
    estop = _module()
    if estop is None:
        return False
    try:
        return bool(estop.is_engaged()) or (home / estop.SENTINEL_NAME).exists()
    except OSError:  # closed when in doubt, as Hermes is
        return True


def _module() -> Any:
    try:
        return importlib.import_module("agent.estop")
    except ImportError:  # a Hermes before 0.20
        return None
