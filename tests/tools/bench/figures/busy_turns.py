"""Warm turns when places speak in turn, each soon after the last reply: nothing gets quiet."""

from __future__ import annotations

import time

from tests.tools.bench import sides
from tests.tools.bench.figures.figure import Figure, Row, Samples, of_turns
from tests.tools.bench.stage import Stage
from tests.tools.bench.summary import p95

PLACES = 3
PAUSE = 0.15
"""Seconds from a reply to the next message."""


def measure(stage: Stage, turns: int) -> Samples:
    """Make so many turns in each place."""
    topics = [sides.topic(0, number) for number in range(PLACES)]
    stage.acquaint(topics)
    made = []
    for topic in topics * turns:
        time.sleep(PAUSE)
        made.append(stage.turn(topic))
    stage.settle()
    return of_turns(made)


FIGURE = Figure(
    "1b",
    "busy warm turns, three places in turn",
    sides.SHIPPED,
    measure,
    (
        Row("both, median", "total", target="<= 0.95"),
        Row("both, p95", "total", summarise=p95, target="<= 1.0"),
    ),
    turn_seconds=PLACES * 0.8,
)
