"""Read from ``/proc`` how much memory process trees use; unreadable processes count as 0 bytes."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from hermes_router.protocol.system.pids import parent_of

_PAGE = os.sysconf("SC_PAGE_SIZE")


def footprint(roots: Iterable[int], alone: Iterable[int] = ()) -> int:
    """Return how many bytes of memory these processes use, without memory that is backed by files.

    Each pid in ``roots`` counts with all its descendants, each pid in ``alone`` without them. A
    page that a forked process shares with its parent counts twice, so the result is an upper bound.
    The pool compares the result with the memory that prepared processes may use.
    """
    return sum(map(_anonymous, _trees(roots) | set(alone)))


def _trees(roots: Iterable[int]) -> set[int]:
    below: defaultdict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        below[parent_of(pid)].append(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += below[pid]
    return found


def _anonymous(pid: int) -> int:
    try:
        _size, resident, shared = Path(f"/proc/{pid}/statm").read_bytes().split()[:3]
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE
