"""How many turns a machine can work on at once, where the configuration does not say it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

#: Bytes of memory that a turn may need, with what it starts; and the bounds of what is derived.
_TURN_BYTES = 256 * 1024 * 1024
_LEAST, _MOST = 8, 64

#: Where a container reads how much memory it may use.
_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def turns_at_once(configured: int) -> int:
    """Return how many turns run at once: as configured, or what the machine's memory allows."""
    return configured or derived(machine_bytes())


def derived(memory: int) -> int:
    """Return how many turns so many bytes of memory allow."""
    return min(max(memory // _TURN_BYTES, _LEAST), _MOST)


def machine_bytes(container: Path = _CONTAINER) -> int:
    """Return the bytes of memory of this machine, or of the container that this process is in."""
    amounts = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with contextlib.suppress(OSError, ValueError):  # there is none, or it says "max"
        amounts.append(int(container.read_text()))
    return min(amounts)
