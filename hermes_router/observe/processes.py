"""Read from ``/proc`` how much memory and CPU time process trees use; without it, all is 0."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hermes_router.protocol.system.pids import stat_fields

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM = 1, 11, 12


class Usage(NamedTuple):
    """What a process and its descendants use now.

    ``memory`` is in bytes, without memory that files back. ``cpu`` is the CPU time in seconds.
    """

    memory: int
    cpu: float


def usage(roots: Iterable[int]) -> dict[int, Usage]:
    """Return what each of these process ids uses, together with its descendants.

    A descendant that is itself in ``roots`` counts only for itself.
    """
    wanted = set(roots)
    below: defaultdict[int, list[int]] = defaultdict(list)
    times: dict[int, float] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        fields = stat_fields(pid)
        if len(fields) > _SYSTEM:
            below[int(fields[_PARENT])].append(pid)
            times[pid] = (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS
    return {root: _of_tree(root, below, times, wanted) for root in wanted}


def _of_tree(
    root: int, below: dict[int, list[int]], times: dict[int, float], others: set[int]
) -> Usage:
    memory, cpu, waiting, seen = 0, 0.0, [root], {root}
    while waiting:
        pid = waiting.pop()
        memory += _anonymous(pid)
        cpu += times.get(pid, 0.0)
        more = [child for child in below.get(pid, ()) if child not in seen | others]
        seen.update(more)
        waiting += more
    return Usage(memory, cpu)


def _anonymous(pid: int) -> int:
    try:
        _size, resident, shared = Path(f"/proc/{pid}/statm").read_bytes().split()[:3]
    except (OSError, ValueError):
        return 0
    return max(0, int(resident) - int(shared)) * _PAGE
