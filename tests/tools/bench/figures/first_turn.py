"""The first turn of a profile after the gateway started: with workers prepared, and without."""

from __future__ import annotations

from tests.tools.bench import sides
from tests.tools.bench.figures.figure import Figure, Row, Samples, of_turns
from tests.tools.bench.stage import Stage


def measure(stage: Stage, _turns: int) -> Samples:
    """Make one turn."""
    turn = stage.turn(sides.topic(0, 0))
    stage.settle()
    return of_turns([turn])


PREPARED = Figure(
    "3",
    "first turn after the start",
    sides.SHIPPED,
    measure,
    (Row("both", "total", target="<= 0.3"),),
    quick=True,
    once=True,
    seconds=5.0,
)
COLD = Figure(
    "4",
    "the same, nothing prepared",
    sides.COLD,
    measure,
    (Row("both", "total", target="<= 0.9"),),
    once=True,
    seconds=5.0,
)
