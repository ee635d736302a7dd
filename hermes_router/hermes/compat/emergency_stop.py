"""Hermes's emergency stop (since 0.20): while a file lies in a home, nothing new begins there.

The file in the root holds for every home. A worker checks this through Hermes itself. The gateway
checks what a worker cannot see from its sandbox, and what begins without a message.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any


def paused_reply() -> str | None:
    """Return Hermes's reply to a message while this process's home or the root is paused.

    Returns None if neither is paused.
    """
    estop = _module()
    answer: str | None = estop.paused_reply() if estop is not None else None
    return answer


def paused(home: Path) -> bool:
    """Return True if a profile with this home may begin nothing new: a pause file forbids it.

    The file is in that home, in the home of this process, or in the root.
    """
    estop = _module()
    if estop is None:
        return False
    try:
        return bool(estop.is_engaged()) or pause_file(home) is not None
    except OSError:  # if in doubt, paused, as in Hermes
        return True


def pause_file(home: Path) -> Path | None:
    """Return the file that pauses what runs with this home; None if the home is not paused."""
    estop = _module()
    if estop is None:
        return None
    file = home / str(estop.SENTINEL_NAME)
    try:
        return file if file.exists() else None
    except OSError:  # if in doubt, paused, as in Hermes
        return file


def _module() -> Any:
    try:
        return importlib.import_module("agent.estop")
    except ImportError:  # a Hermes before 0.20
        return None
