"""What a process tree uses: its processes, its CPU time, its memory.

On Linux this comes from ``/proc``. Elsewhere it comes from ``ps``, which knows only resident
memory, with shared pages counted once per process, and only the CPU time of living processes.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hermes_router.protocol.system.pids import stat_fields
from hermes_router_worker.process.process_tree import children_of, descendants, has_proc

#: Seconds between two looks: a ``ps`` costs more than a few files of ``/proc``.
SECONDS = 0.25 if has_proc() else 2.0

_TICKS = os.sysconf("SC_CLK_TCK")
_OWN = re.compile(rb"^(?:RssAnon|RssShmem|VmSwap):\s*(\d+) kB", re.MULTILINE)
_SHARE = re.compile(rb"^(?:Pss_Anon|Pss_Shmem|SwapPss):\s*(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Usage:
    """What all processes below one process use together.

    ``processes`` is their number, ``cpu_seconds`` their CPU time, with that of ended ones,
    ``memory_bytes`` what they have now.
    """

    processes: int
    cpu_seconds: float
    memory_bytes: int


def usage_below(root: int, *, memory_worth_a_closer_look: int = 0) -> Usage:
    """Return what the processes below ``root`` use, without ``root`` itself.

    The supervisor compares it with the limits. Memory is what is not backed by files: anonymous,
    shared and swapped out. Memory that several processes share is counted once for each of them.
    Above ``memory_worth_a_closer_look`` bytes, it is divided among them if the kernel can tell,
    because that costs much more. CPU time includes the time of ended processes, if their parent has
    waited for them.
    """
    if not has_proc():
        return _by_ps(set(descendants(root)))
    pids = _tree(root)
    memory = sum(map(_own_memory, pids))
    if memory > memory_worth_a_closer_look:
        memory = sum(map(_share_of_memory, pids))
    ended = _cpu_ticks(root, children_only=True)
    return Usage(len(pids), (ended + sum(map(_cpu_ticks, pids))) / _TICKS, memory)


def _tree(root: int) -> list[int]:
    """Return the processes below ``root``, if possible without reading the whole process table."""
    found: list[int] = []
    waiting = [root]
    while waiting:
        children = children_of(waiting.pop())
        if children is None:
            return descendants(root)
        found += children
        waiting += children
    return found


def _own_memory(pid: int) -> int:
    return _kilobytes(_OWN, f"/proc/{pid}/status") or 0


def _share_of_memory(pid: int) -> int:
    """Return the process's share of its memory, or all of its own memory if the share is hidden.

    The kernel hides a worker's share, even from its supervisor.
    """
    share = _kilobytes(_SHARE, f"/proc/{pid}/smaps_rollup")
    return _own_memory(pid) if share is None else share


def _kilobytes(pattern: re.Pattern[bytes], file: str) -> int | None:
    try:
        found = pattern.findall(Path(file).read_bytes())
    except OSError:
        return None
    return 1024 * sum(map(int, found)) if found else None


def _cpu_ticks(pid: int, *, children_only: bool = False) -> int:
    fields = stat_fields(pid)
    if not fields:
        return 0
    user, system, ended_user, ended_system = fields[11:15]
    ended = int(ended_user) + int(ended_system)
    return ended if children_only else ended + int(user) + int(system)


def _by_ps(pids: set[int]) -> Usage:
    listing = subprocess.run(
        ["/bin/ps", "-axo", "pid=,rss=,time="], capture_output=True, text=True, check=False
    ).stdout
    lines = [line.split() for line in listing.splitlines()]
    mine = [(rss, time) for pid, rss, time in lines if int(pid) in pids]
    return Usage(
        processes=len(mine),
        cpu_seconds=sum(_seconds(time.replace("-", ":").split(":")) for _, time in mine),
        memory_bytes=1024 * sum(int(rss) for rss, _ in mine),
    )


def _seconds(parts: Iterable[str]) -> float:
    """Return the seconds of a time in days, hours, minutes, seconds; the first may be missing."""
    factors = (1, 60, 3600, 86_400)
    return sum(
        factor * float(part) for factor, part in zip(factors, reversed(list(parts)), strict=False)
    )
