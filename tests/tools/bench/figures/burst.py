"""A burst: eight messages in eight topics of one profile at the same moment."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from tests.tools.bench import sides
from tests.tools.bench.figures.figure import Figure, Row, Samples
from tests.tools.bench.stage import Stage

MESSAGES = 8


def measure(stage: Stage, _turns: int) -> Samples:
    """Send the burst twice: in new sessions, and once more in the same ones."""
    topics = [stage.fresh_topic() for _number in range(MESSAGES)]
    return {"new": [_burst(stage, topics)], "again": [_burst(stage, topics)]}


def _burst(stage: Stage, topics: list[int]) -> float:
    stage.settle()
    begun = time.monotonic()
    with ThreadPoolExecutor(len(topics)) as pool:
        list(pool.map(stage.turn, topics))
    return len(topics) / (time.monotonic() - begun)


FIGURE = Figure(
    "7",
    "burst of 8 topics of one profile",
    sides.WIDE,
    measure,
    (
        Row("turns per second, known sessions", "again", unit="1/s", target=">= 0.8"),
        Row("turns per second, new sessions", "new", unit="1/s"),
    ),
    seconds=6.0,
)
