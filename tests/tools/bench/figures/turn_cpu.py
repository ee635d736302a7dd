"""What a warm turn costs the machine, preparing the next one included."""

from __future__ import annotations

from tests.tools.bench import sides
from tests.tools.bench.figures.figure import Figure, Row, Samples
from tests.tools.bench.stage import Stage


def measure(stage: Stage, turns: int) -> Samples:
    """Make turns in one topic, and see what the whole process tree used."""
    topic = sides.topic(0, 0)
    stage.acquaint([topic])
    before = stage.cpu()
    for _number in range(turns):
        stage.turn(topic)
        stage.settle()
    return {"cpu": [(stage.cpu() - before) / turns]}


FIGURE = Figure(
    "8",
    "CPU of a warm turn",
    sides.SHIPPED,
    measure,
    (Row("whole process tree", "cpu", target="<= 0.9"),),
    turn_seconds=1.2,
)
