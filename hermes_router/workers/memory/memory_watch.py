"""Check whether the machine, or the gateway's container, runs out of memory.

The figures come from ``/proc/meminfo``, from the control groups (versions 1 and 2), and from
``/proc/pressure``. The last says for how much of the time all processes wait for memory. If the
kernel gives no figures, as on macOS, memory counts as enough.
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

_PROC, _GROUPS = Path("/proc"), Path("/sys/fs/cgroup")

#: Without a setting, the part of all memory that stays free, and its maximum in bytes.
_RESERVED, _MOST_RESERVED = 0.05, 512 * 1024 * 1024

#: Prepared processes end when less than 2 reserves are free, and are made again at 3 reserves.
_LET_GO, _PREPARE_AGAIN = 2, 3

#: Seconds for which the figures are kept. Reading them takes 1 ms, and a message waits for it.
_KNOWN_SECONDS = 2.0

#: Memory is tight if all processes waited for it for a larger part of the last 10 s (percent).
_MUCH_STALLED = 20.0


class Room(enum.Enum):
    """How much the gateway may start with the memory that is free."""

    ENOUGH = "enough"
    TIGHT = "tight"
    """Turns begin, but no process is prepared for later ones."""
    SHORT = "short"
    """No turn begins."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of the machine, in bytes: how much is free, and how much there is in all.

    ``stalled`` is for how many percent of the last 10 s all processes waited for memory.
    """

    free: int
    total: int
    stalled: float = 0.0


class MemoryWatch:
    """Decides by the free memory whether turns may begin and workers may be prepared.

    The pool asks it before both. ``reserve`` is how many bytes must stay free; 0 means 5 % of all
    memory, at most 512 MiB.
    """

    def __init__(self, look: Callable[[], Memory | None] | None = None) -> None:
        self.reserve = 0
        self._look = look or memory_now
        self._tight = False
        self._seen: Memory | None = None
        self._seen_at = -_KNOWN_SECONDS

    def room(self, *, now: bool = False) -> tuple[Room, int]:
        """Return what may be started with the memory that is free, and how many bytes are free.

        With ``now`` the figures are read again, else they may be 2 s old. If the kernel gives no
        figures, the result is ``ENOUGH`` and 0.
        """
        if now or time.monotonic() - self._seen_at > _KNOWN_SECONDS:
            self._seen, self._seen_at = self._look(), time.monotonic()
        if (memory := self._seen) is None:
            return Room.ENOUGH, 0
        reserve = self.reserve or min(int(memory.total * _RESERVED), _MOST_RESERVED)
        short = memory.free < reserve
        stalled = memory.stalled > _MUCH_STALLED
        enough = memory.free >= reserve * (_PREPARE_AGAIN if self._tight else _LET_GO)
        self._note(tight=short or stalled or not enough, free=memory.free)
        if short:
            return Room.SHORT, memory.free
        return (Room.TIGHT if self._tight else Room.ENOUGH), memory.free

    def _note(self, *, tight: bool, free: int) -> None:
        if tight and not self._tight:
            logger.warning("memory is short: %d bytes are free; nothing is prepared ahead", free)
        if self._tight and not tight:
            logger.info("enough memory is free again: %d bytes", free)
        self._tight = tight


def memory_now(proc: Path = _PROC, groups: Path = _GROUPS) -> Memory | None:
    """Return the memory of the machine, within the limits of all control groups of this process.

    Returns None if the kernel gives no figures.
    """
    known = _fields(proc / "meminfo")
    if "MemAvailable" not in known or "MemTotal" not in known:
        return None
    free, total = known["MemAvailable"] * 1024, known["MemTotal"] * 1024
    for limit, used in _bounds(proc, groups, total):
        free, total = min(free, max(0, limit - used)), min(total, limit)
    return Memory(free, total, _stalled(proc / "pressure" / "memory"))


def _fields(path: Path) -> dict[str, int]:
    """Return the numbers of a file whose lines are a name and a number."""
    found: dict[str, int] = {}
    with suppress(OSError):
        for line in path.read_text("ascii", "replace").splitlines():
            name, _, rest = line.replace(":", " ").partition(" ")
            with suppress(ValueError, IndexError):
                found[name] = int(rest.split()[0])
    return found


def _bounds(proc: Path, groups: Path, total: int) -> Iterator[tuple[int, int]]:
    """Yield the limit and the use, in bytes, of each control group around this process.

    Groups without a limit below ``total`` are left out.
    """
    lines: list[str] = []
    with suppress(OSError):
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    for line in lines:
        _number, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        if kinds and "memory" not in kinds.split(","):
            continue
        base = groups / "memory" if kinds else groups
        names = _VERSION_1 if kinds else _VERSION_2
        for folder in _upwards(base, path):
            if (bound := _bound(folder, total, *names)) is not None:
                yield bound


#: The files with the limit and the use of a group, and the prefix of the names in its statistics.
_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
_VERSION_2 = ("memory.max", "memory.current", "")


def _upwards(base: Path, path: str) -> Iterator[Path]:
    """Yield the folder of a control group, and then the folders of the groups around it."""
    folder = base / path.strip("/")
    while folder != base:
        yield folder
        folder = folder.parent
    yield base


def _bound(folder: Path, total: int, limit: str, used: str, prefix: str) -> tuple[int, int] | None:
    """Return a group's limit and use in bytes, without cached files that the kernel may drop.

    Returns None if the group has no limit below ``total``.
    """
    try:
        if (allowed := int((folder / limit).read_text())) >= total:
            return None
        taken = int((folder / used).read_text())
    except (OSError, ValueError):  # there is no such group, or it has no limit
        return None
    counted = _fields(folder / "memory.stat")
    droppable = sum(counted.get(f"{prefix}{which}_file", 0) for which in ("active", "inactive"))
    return allowed, taken - droppable


def _stalled(path: Path) -> float:
    with suppress(OSError, ValueError, IndexError):
        for line in path.read_text("ascii").splitlines():
            if line.startswith("full "):
                return float(line.partition("avg10=")[2].split()[0])
    return 0.0
