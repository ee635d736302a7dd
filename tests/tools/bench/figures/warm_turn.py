"""A turn in a session that has spoken before."""

from __future__ import annotations

from tests.tools.bench import sides
from tests.tools.bench.figures.figure import Figure, Row, Samples, of_turns
from tests.tools.bench.stage import Stage
from tests.tools.bench.summary import p95


def measure(stage: Stage, turns: int) -> Samples:
    """Make turns in one topic, each when nothing of the one before runs any more."""
    topic = sides.topic(0, 0)
    stage.acquaint([topic])
    made = []
    for _number in range(turns):
        made.append(stage.turn(topic))
        stage.settle()
    return of_turns(made)


ROWS = (
    Row("both, median", "total", target="<= 1.0"),
    Row("both, p95", "total", summarise=p95, target="<= 1.1"),
    Row("update to model request", "before"),
    Row("model reply to sendMessage", "after", target="<= 1.2"),
)

SHIPPED = Figure("1", "warm turn", sides.SHIPPED, measure, ROWS, quick=True, turn_seconds=1.2)
PACED = Figure(
    "1p",
    "warm turn, with the chat's second between two messages",
    sides.PACED,
    measure,
    ROWS[:1],
    turn_seconds=1.2,
)
UNBATCHED = Figure("1", "warm turn, no batching", sides.UNBATCHED, measure, ROWS, turn_seconds=1.2)
