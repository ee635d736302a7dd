"""`Row`: one leak class, and what came of it on one side."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from hermes_router.protocol.system.versions import NEWEST_TESTED, hermes_version

if TYPE_CHECKING:
    from tests.tools.leaks.side import Side
    from tests.tools.leaks.world import World

IN_PROCESS, LOCAL, SANDBOX = "in-process", "local", "bubblewrap"
SIDES = (IN_PROCESS, LOCAL, SANDBOX)
HEADINGS = {
    IN_PROCESS: "in-process routing",
    LOCAL: "routed worker",
    SANDBOX: "sandboxed worker",
}

SAME_USER = {LOCAL: "the same user: only a sandbox closes it"}
"""What `launcher: local` does not close, by design."""


class ProbeError(Exception):
    """A probe could not find out what it was to find out."""


class NotApplicableError(Exception):
    """A probe found that its question makes no sense on this side; the text says why."""


class State(StrEnum):
    """What a cell says."""

    ISOLATED = "isolated"
    LEAKS = "leaks"
    NOT_APPLICABLE = "not applicable"
    FAILED = "failed"


def nothing(_: World) -> None:
    """Plant nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One leak class.

    The probe returns what leaked, in a few words, or an empty text. It raises ProbeError when it
    cannot tell, and NotApplicableError when there is nothing to tell.
    """

    key: str
    what: str
    """The class: what must not happen, in a few words."""
    probe: Callable[[Side], str]
    plant: Callable[[World], None] = nothing
    """Puts markers in the homes before the gateways start."""
    upstream: tuple[int, ...] = ()
    """Numbers of issues at Hermes."""
    unseen: str = ""
    """Why in-process routing does not leak. Without a reason it must be seen to."""
    leaked_until: str = ""
    """The last Hermes whose in-process routing was seen to leak; the newest tested does not."""
    by_design: Mapping[str, str] = field(default_factory=dict)
    """Sides of ours that leak all the same, and why."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Sides on which the row makes no sense, and why."""
    alone: bool = False
    """Whether the other sides must be quiet meanwhile: it measures times."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What a row found on one side."""

    state: State
    text: str = ""
    """What leaks, why it does not apply, or what went wrong."""
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.state.value}: {self.text}" if self.text else self.state.value


def complaint(row: Row, side: str, cell: Cell, hermes: str | None = None) -> str | None:
    """Return why a cell makes the suite fail with a Hermes; None if it is as it should be.

    Unless told, the Hermes is the one that is installed.
    """
    if cell.state is State.FAILED:
        return f"the probe failed: {cell.text}"
    if cell.state is State.NOT_APPLICABLE:
        return None
    leaks, wanted = cell.state is State.LEAKS, expected(row, side, hermes or hermes_version())
    if wanted is None or leaks == wanted:
        return None
    if side == IN_PROCESS:
        unexpected = "a leak, where the row says that there is none"
        missing = "no leak was seen where one is known: fix the probe"
    else:
        unexpected = "a leak"
        missing = "it is said to leak by design, and does not: correct the row"
    return f"{unexpected}: {cell.text}" if leaks else missing


def no_leak(row: Row) -> str:
    """Return in a few words why in-process routing is not seen to leak; empty if it must be."""
    return row.unseen or (f"{row.leaked_until} leaks" if row.leaked_until else "")


def expected(row: Row, side: str, hermes: str | None) -> bool | None:
    """Return True if a leak is expected on a side; None where nobody has looked: either will do."""
    if side != IN_PROCESS:
        return side in row.by_design
    if not row.leaked_until:
        return not row.unseen
    running = _minor(hermes)
    if running <= _minor(row.leaked_until):
        return True
    return False if running >= _minor(NEWEST_TESTED) else None


def _minor(version: str | None) -> tuple[int, ...]:
    """Return the first two numbers of a version: rows do not tell 0.22.1 from 0.22.2."""
    return tuple(int(number) for number in re.findall(r"\d+", version or "")[:2])
