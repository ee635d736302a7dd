"""Find the processes below one, and end them so that none escapes by forking."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hermes_router.protocol.system import proc

_MOST_ROUNDS = 50


class Entry(NamedTuple):
    """One process of the system's process table, by its ids.

    They are its own id, its parent's, and that of its process group.
    """

    pid: int
    parent: int
    group: int


def descendants(root: int) -> list[int]:
    """Return the ids of all processes below ``root``, parents before their children.

    A process that detached itself is below its new parent: the supervisor, if that is a subreaper.
    """
    return [entry.pid for entry in _below(root)]


def kill_all(root: int) -> None:
    """Kill all processes below ``root``; stop them first, so that none forks meanwhile.

    The supervisor calls it with itself as ``root``, and again until none is left. A process group
    gets the signal as a whole, so that no member can escape. The group of ``root`` itself is
    spared; its members below ``root`` get the signal one by one.
    """
    spared = os.getpgid(root)
    stopped: dict[Entry, None] = {}
    for _round in range(_MOST_ROUNDS):
        fresh = [entry for entry in _below(root) if entry not in stopped]
        if not fresh:
            break
        _signal_all(fresh, spared, signal.SIGSTOP)
        stopped |= dict.fromkeys(fresh)
    _signal_all(stopped, spared, signal.SIGKILL)


def send(pid: int, number: int) -> None:
    """Send a signal to a process; nothing happens if it has ended, or is not ours."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def has_proc() -> bool:
    """Return True if this system has a ``/proc`` to read; others ask ``ps``."""
    return (proc.own() / "stat").exists()


def children_of(pid: int) -> list[int] | None:
    """Return the ids of a process's children; None if this kernel does not list children.

    For None, the caller reads the whole process table. A process or a thread that ends meanwhile
    has no children.
    """
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - it runs twice a second
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split())
    return found if found or has_children_files() else None


@functools.cache
def has_children_files() -> bool:
    """Return True if the kernel lists each thread's children in a file.

    Without that, the whole process table must be read.
    """
    return (proc.own() / "task" / str(os.getpid()) / "children").exists()


def _signal_all(entries: dict[Entry, None] | list[Entry], spared: int, number: int) -> None:
    for group in {entry.group for entry in entries} - {spared}:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
    for entry in entries:
        if entry.group == spared:
            send(entry.pid, number)


def _below(root: int) -> list[Entry]:
    children: dict[int, list[Entry]] = defaultdict(list)
    for entry in _process_table():
        children[entry.parent].append(entry)
    found: list[Entry] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += [entry.pid for entry in below]
    return found


def _process_table() -> Iterator[Entry]:
    """Yield every process that this one can see."""
    if not has_proc():
        listing = subprocess.run(
            ["/bin/ps", "-axo", "pid=,ppid=,pgid="], capture_output=True, text=True, check=False
        ).stdout
        yield from (Entry(*map(int, line.split())) for line in listing.splitlines())
        return
    for name in os.listdir("/proc"):  # noqa: PTH208 - a fork bomb may have thousands
        if name.isdigit() and (entry := _entry_of(int(name))) is not None:
            yield entry


def _entry_of(pid: int) -> Entry | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123
            # The command's name is in parentheses and may contain any character, also parentheses.
            _state, parent, group, *_rest = stat.read().rpartition(b")")[2].split(maxsplit=3)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return Entry(pid, int(parent), int(group))
