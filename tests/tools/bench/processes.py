"""What a tree of processes costs, read from `/proc` (Linux)."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from hermes_router.protocol.system.pids import parent_of, stat_fields

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """What some processes together have in memory, in MiB.

    ``pss``: shared pages are divided among all that share them. ``private``: what no other process
    has mapped. ``anonymous``: what no file backs, shared or not.
    """

    pss: float
    private: float
    anonymous: float


def tree(root: int) -> list[int]:
    """Return the ids of a process and of all below it."""
    below: defaultdict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := parent_of(int(entry.name))):
            below[parent].append(int(entry.name))
    found, waiting = [root], [root]
    while waiting:
        children = below[waiting.pop()]
        found += children
        waiting += children
    return found


def cpu_seconds(root: int) -> float:
    """Return the CPU time that a tree has used, children that have ended included.

    A child that has ended counts in its parent's time as soon as the parent has waited for it.
    """
    spent = (fields[11:15] for pid in tree(root) if (fields := stat_fields(pid)))
    return sum(sum(map(int, times)) for times in spent) / _TICKS


def memory(pids: list[int]) -> MemoryUse | None:
    """Return the memory of processes; None when that of one may not be read.

    The kernel shows that of templates and workers, which are not dumpable, to root and to who
    started them as :func:`open_to_their_user` says.
    """
    pss = private = anonymous = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            return None
        for line in lines[1:]:
            name, size = line.split()[:2]
            pss += int(size) if name == "Pss:" else 0
            private += int(size) if name in {"Private_Clean:", "Private_Dirty:"} else 0
            anonymous += int(size) if name == "Anonymous:" else 0
    return MemoryUse(pss / 1024, private / 1024, anonymous / 1024)


def open_to_their_user(command: list[str]) -> list[str]:
    """Return the command that lets its user read the memory of what it starts, without root too.

    It starts in a user namespace, which belongs to who made it: that user may do there what root
    may. Where the kernel grants nobody such a namespace, `command` is returned as it is.
    """
    prefix = ["unshare", "--user", "--map-current-user", "--"]
    if os.geteuid() == 0 or shutil.which("unshare") is None:
        return command
    granted = subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode == 0
    return [*prefix, *command] if granted else command


def command_line(pid: int) -> str:
    """Return a process's command line, empty when it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""
