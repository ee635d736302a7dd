"""What the system tells of a process by its number; both sides ask."""

from __future__ import annotations

import os
from pathlib import Path


def is_running(pid: object) -> bool:
    """Say whether a process with this number runs; another user's counts, a zombie does not.

    What is no number of a process does not run: records on disk may hold anything.
    """
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return stat_fields(pid)[:1] != [b"Z"]


def parent_of(pid: int) -> int:
    """Return the number of a process's parent; 0 when it cannot be told."""
    fields = stat_fields(pid)
    return int(fields[1]) if len(fields) > 1 else 0


def stat_fields(pid: int) -> list[bytes]:
    """Return the fields of ``/proc/<pid>/stat`` from the state on, which is the third.

    Empty where there is no such file system, or no such process any more. The command's name, which
    may hold anything, stands before the state.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def start_time(pid: int) -> int | None:
    """Return when a process started, in the system's own count; None where that is not told."""
    fields = stat_fields(pid)
    return int(fields[19]) if len(fields) > 19 else None
