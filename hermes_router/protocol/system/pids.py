"""Ask the system about a process by its pid; both sides use this."""

from __future__ import annotations

import os
from pathlib import Path


def is_running(pid: object) -> bool:
    """Return True if a process with this pid runs, also another user's; a zombie does not run.

    ``pid`` may be any value from a file on disk; for a value that is no pid this returns False.
    """
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # too large for any process
        return False
    except PermissionError:
        return True
    return stat_fields(pid)[:1] != [b"Z"]


def parent_of(pid: int) -> int:
    """Return the pid of a process's parent; 0 if unknown."""
    fields = stat_fields(pid)
    return int(fields[1]) if len(fields) > 1 else 0


def session_of(pid: int) -> int:
    """Return the id of a process's session: the pid of the process that began it; 0 if unknown."""
    fields = stat_fields(pid)
    return int(fields[3]) if len(fields) > 3 else 0


def stat_fields(pid: int) -> list[bytes]:
    """Return the fields of ``/proc/<pid>/stat``, beginning with the third, the state.

    The field before it, the command's name, may contain any characters. The list is empty if this
    system has no ``/proc``, or the process has ended.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since the system's start; None if unknown."""
    fields = stat_fields(pid)
    return int(fields[19]) if len(fields) > 19 else None
