"""The title of a process of ours in ``ps``: its profile, and what it does now.

The title is written over the arguments with which the process was started, because the system shows
these. This works only on Linux: other systems do not tell where the arguments are.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools

from hermes_router.protocol.system import proc

#: Every title begins so, so that programs that look for our processes find them.
_NAME = ("hermes_router_worker", "-p")

#: Where the file ``stat``, after the process's name, has the arguments' first and last byte.
_FIRST, _LAST = 45, 46


def show(profile: str, *words: str) -> None:
    """Show the profile and ``words`` as this process's title in ``ps``; cut off what does not fit.

    The words say what the process does, for example its role and its turn. Does nothing where the
    system cannot do it, and never raises.
    """
    with contextlib.suppress(Exception):  # a worker must not fail for its title
        start, size = _arguments()
        if size > 1:
            shown = "\0".join((*_NAME, profile, *words)).encode(errors="replace")[: size - 1]
            ctypes.memmove(start, shown.ljust(size, b"\0"), size)


@functools.cache
def _arguments() -> tuple[int, int]:
    """Return the address of the arguments in this process's memory, and their length in bytes."""
    try:
        stat = (proc.own() / "stat").read_text("ascii", errors="replace")
    except OSError:
        return 0, 0
    fields = stat.rpartition(")")[2].split()
    start, end = int(fields[_FIRST]), int(fields[_LAST])
    return (start, end - start) if 0 < start < end else (0, 0)
