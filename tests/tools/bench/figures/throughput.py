"""Turns per second with eight conversations over four profiles at once."""

from __future__ import annotations

import functools
import time
from concurrent.futures import ThreadPoolExecutor

from tests.tools.bench import sides
from tests.tools.bench.figures.figure import Figure, Row, Samples
from tests.tools.bench.stage import Stage

CONVERSATIONS = 8
TURNS = 5


def measure(stage: Stage, _turns: int, *, directives: str) -> Samples:
    """Let every conversation speak again as soon as it is answered."""
    topics = sides.spread(stage.setup, CONVERSATIONS)

    def speak(topic: int, times: int) -> None:
        for _number in range(times):
            stage.turn(topic, directives)

    stage.acquaint(topics)
    with ThreadPoolExecutor(CONVERSATIONS) as pool:
        begun = time.monotonic()
        for done in [pool.submit(speak, topic, TURNS) for topic in topics]:
            done.result()
        rate = CONVERSATIONS * TURNS / (time.monotonic() - begun)
    stage.settle()
    return {"rate": [rate]}


def _figure(title: str, directives: str) -> Figure:
    return Figure(
        "5",
        title,
        sides.WIDE,
        functools.partial(measure, directives=directives),
        (Row("turns per second", "rate", unit="1/s", target=">= 1.0"),),
        seconds=12.0,
    )


INSTANT = _figure("8 conversations at once, instant model", "")
SLOW_MODEL = _figure("8 conversations at once, 1 s model", "[[sleep 1]]")
