"""Compute how many turns may run at once, when the configuration does not set a number."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

#: Bytes of memory that one turn and the processes that it starts may need.
_TURN_BYTES = 256 * 1024 * 1024
#: The computed number of turns is never below the first and never above the second.
_LEAST, _MOST = 8, 64

#: The file in which a process in a container reads how many bytes of memory the container may use.
_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def turns_at_once(configured: int) -> int:
    """Return how many turns of all profiles may run at once; the router gives it to the dispatcher.

    ``configured`` is the setting; 0 means that it is computed from the machine's memory.
    """
    return configured or derived(machine_bytes())


def derived(memory: int) -> int:
    """Return how many turns of all profiles may run at once on a machine with ``memory`` bytes.

    It is one turn for each 256 MiB, but at least 8 and at most 64.
    """
    return min(max(memory // _TURN_BYTES, _LEAST), _MOST)


def machine_bytes(container: Path = _CONTAINER) -> int:
    """Return the bytes of memory of this machine, or of the container that this process is in."""
    amounts = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with contextlib.suppress(OSError, ValueError):  # no such file, or it says "max"
        amounts.append(int(container.read_text()))
    return min(amounts)
