"""The first minute of a gateway: how long it starts, and a message that comes while it prepares."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.tools.bench import sides
from tests.tools.bench.figures.figure import Figure, Row, Samples
from tests.tools.bench.sides import Setup
from tests.tools.bench.stage import Stage

MOMENTS = (0.5, 2.0, 5.0)
"""Seconds from the gateway's first getUpdates to the message."""
UNROUTED = 7
"""A topic that no route names: the default profile answers."""
WAITING = 8
"""Messages that wait for a gateway, in as many topics."""

_START_SECONDS = 16.0
"""Roughly, for one start and the turn after it."""


def measure(
    stage: Stage, _turns: int, *, topic: int, moments: Sequence[float] = MOMENTS
) -> Samples:
    """Start the gateway anew for each moment, and make one turn in the topic."""
    samples: Samples = {}
    for moment in moments:
        stage.gateway.restart()
        time.sleep(moment)
        samples[str(moment)] = [stage.turn(topic).total]
        stage.settle()
    return samples


def start(stage: Stage, _turns: int) -> Samples:
    """Start the gateway three times; a sample is the time to its first getUpdates."""
    samples = []
    for _number in range(3):
        stage.gateway.restart()
        samples.append(stage.gateway.started_in or 0.0)
        stage.settle()
    return {"start": samples}


def catch_up(stage: Stage, _turns: int) -> Samples:
    """Write to topics of all profiles while no gateway runs; then start it."""
    topics = sides.spread(stage.setup, WAITING)
    stage.acquaint(topics)
    stage.gateway.stop()
    with ThreadPoolExecutor(WAITING) as pool:
        turns = [pool.submit(stage.turn, topic) for topic in topics]
        begun = time.monotonic()
        stage.gateway.start()
        for turn in turns:
            turn.result()
    taken = time.monotonic() - begun
    stage.settle()
    return {"caught up": [taken]}


def _figure(number: str, title: str, setup: Setup, topic: int, target: str) -> Figure:
    return Figure(
        number,
        f"{title}, {setup.profiles} profiles",
        setup,
        functools.partial(measure, topic=topic),
        tuple(Row(f"{moment} s after the start", str(moment), target=target) for moment in MOMENTS),
        once=True,
        first_start_only=True,
        seconds=len(MOMENTS) * _START_SECONDS,
    )


ROUTED = tuple(
    _figure("3b", "first routed message", setup, sides.topic(0, 0), "<= 0.8")
    for setup in sides.MINUTE
)
DEFAULT = tuple(
    _figure("3c", "first unrouted message", setup, UNROUTED, "<= 1.05") for setup in sides.MINUTE
)
START = Figure(
    "3d",
    "start to the first getUpdates",
    sides.MINUTE[0],
    start,
    (Row("start", "start", target="<= 1.03"),),
    once=True,
    first_start_only=True,
    seconds=3 * _START_SECONDS,
)
CATCH_UP = Figure(
    "3e",
    f"{WAITING} messages that waited for the gateway",
    sides.WAITING,
    catch_up,
    (Row("until the last answer", "caught up", target="<= 0.8"),),
    once=True,
    first_start_only=True,
    seconds=40.0,
)
