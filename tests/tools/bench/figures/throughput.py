"""Turns per second with many conversations over several profiles at once."""

from __future__ import annotations

import functools
import time
from concurrent.futures import ThreadPoolExecutor

from tests.tools.bench import sides
from tests.tools.bench.figures.figure import Figure, Row, Samples
from tests.tools.bench.stage import Stage
from tests.tools.bench.summary import p95

CONVERSATIONS = 8
TURNS = 5

BUSY_CONVERSATIONS = 30
BUSY_SECONDS = 300.0
_SECONDS_PER_TURN = 40.0
"""A run with few turns measures less than the whole time: so many seconds for each of its turns."""
_WORDS, _PAUSE = 40, 0.05
"""An answer that the model writes in two seconds."""


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


def busy(stage: Stage, turns: int) -> Samples:
    """Let every conversation speak again as soon as its streamed answer is whole, for minutes."""
    topics = sides.spread(stage.setup, BUSY_CONVERSATIONS)
    stage.acquaint(topics)
    begun = time.monotonic()
    end = begun + min(BUSY_SECONDS, turns * _SECONDS_PER_TURN)

    def speak(topic: int) -> list[float]:
        taken = []
        while time.monotonic() < end:
            taken.append(stage.streamed_turn(topic, _WORDS, _PAUSE))
        return taken

    with ThreadPoolExecutor(BUSY_CONVERSATIONS) as pool:
        taken = [seconds for done in pool.map(speak, topics) for seconds in done]
    rate = len(taken) / (time.monotonic() - begun)
    stage.settle()
    return {"rate": [rate], "total": taken}


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
BUSY = Figure(
    "5c",
    f"{BUSY_CONVERSATIONS} conversations over {sides.BUSY.profiles} profiles, streamed",
    sides.BUSY,
    busy,
    (
        Row("turns per second", "rate", unit="1/s", target=">= 1.0"),
        Row("until the answer is whole, p95", "total", summarise=p95, target="<= 1.0"),
    ),
    once=True,
    first_start_only=True,
    seconds=60.0,
    turn_seconds=_SECONDS_PER_TURN,
)
