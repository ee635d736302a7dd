"""What a figure is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.tools.bench.sides import Setup
from tests.tools.bench.stage import Stage, Turn
from tests.tools.bench.summary import median

Samples = dict[str, list[float]]
"""What one measuring gave, by series."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: which series of samples it shows, and how they are summarised."""

    label: str
    series: str
    unit: str = "s"
    summarise: Callable[[Sequence[float]], float] = median
    target: str = ""
    compared: bool = True
    """Whether a ratio means something: not where the in-process side has nothing alike."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing to measure, on a stage of its setup; `measure` is told how many turns to make."""

    number: str
    title: str
    setup: Setup
    measure: Callable[[Stage, int], Samples]
    rows: tuple[Row, ...]
    quick: bool = False
    once: bool = False
    """Measured once for each start of the gateways, not in each round."""
    first_start_only: bool = False
    """Not measured again when the gateways are started again: it takes long, and varies little."""
    seconds: float = 2.0
    turn_seconds: float = 0.0
    """Roughly what one measuring of one side takes, and what each of its turns adds."""


def of_turns(turns: Sequence[Turn]) -> Samples:
    """Return the series of samples that turns give, by name."""
    return {
        "total": [turn.total for turn in turns],
        "before": [turn.before for turn in turns],
        "after": [turn.after for turn in turns],
    }
