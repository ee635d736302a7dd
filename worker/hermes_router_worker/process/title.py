"""What ``ps`` shows of a process of ours: whose it is, and what it does now.

The title is written over the arguments that the process was started with, which is what the system
shows. Only on Linux: other systems tell nobody where those are.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools

from hermes_router.protocol.system.proc import SELF

#: Stands in front, so that what looks for our processes finds them.
_NAME = ("hermes_router_worker", "-p")

#: Where the file ``stat``, behind the process's name, has the arguments' first and last byte.
_FIRST, _LAST = 45, 46


def show(profile: str, *words: str) -> None:
    """Show the profile and some words; what does not fit is cut off."""
    with contextlib.suppress(Exception):  # a title is not worth a worker
        start, size = _arguments()
        if size > 1:
            shown = "\0".join((*_NAME, profile, *words)).encode(errors="replace")[: size - 1]
            ctypes.memmove(start, shown.ljust(size, b"\0"), size)


@functools.cache
def _arguments() -> tuple[int, int]:
    """Return where the arguments lie in this process's memory, and how many bytes they have."""
    try:
        stat = (SELF / "stat").read_text("ascii", errors="replace")
    except OSError:
        return 0, 0
    fields = stat.rpartition(")")[2].split()
    start, end = int(fields[_FIRST]), int(fields[_LAST])
    return (start, end - start) if 0 < start < end else (0, 0)
