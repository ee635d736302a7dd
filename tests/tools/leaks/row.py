"""`Row`: one leak class, and what came of it on one side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

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


def complaint(row: Row, side: str, cell: Cell) -> str | None:
    """Return why a cell makes the suite fail; None if it is as it should be."""
    if cell.state is State.FAILED:
        return f"the probe failed: {cell.text}"
    if cell.state is State.NOT_APPLICABLE:
        return None
    leaks, expected = cell.state is State.LEAKS, side in row.by_design
    unexpected, missing = "a leak", "it is said to leak by design, and does not: mend the row"
    if side == IN_PROCESS:
        expected = not row.unseen
        unexpected = "a leak, where the row has a reason for none"
        missing = "no leak was seen where one is known: fix the probe"
    if leaks == expected:
        return None
    return f"{unexpected}: {cell.text}" if leaks else missing
