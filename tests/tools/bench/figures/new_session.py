"""A turn in a session that is new, on a gateway that is warm."""

from __future__ import annotations

from tests.tools.bench import sides
from tests.tools.bench.figures.figure import Figure, Row, Samples, of_turns
from tests.tools.bench.stage import Stage
from tests.tools.bench.summary import p95


def measure(stage: Stage, turns: int) -> Samples:
    """Make turns, each in a topic of its own."""
    made = []
    for _number in range(turns):
        made.append(stage.turn(stage.fresh_topic()))
        stage.settle()
    return of_turns(made)


ROWS = (
    Row("both, median", "total", target="<= 1.0"),
    Row("both, p95", "total", summarise=p95, target="<= 1.1"),
)

SHIPPED = Figure("2", "new session", sides.SHIPPED, measure, ROWS, quick=True, turn_seconds=1.2)
UNBATCHED = Figure(
    "2", "new session, no batching", sides.UNBATCHED, measure, ROWS, turn_seconds=1.2
)
