"""How long finding a message's route takes, over the size of the table."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from hermes_router.routing import Place, Route, RouteTable
from tests.bench.summary import median

SIZES = (10, 100, 1_000, 10_000, 100_000)
_PLACES = 1_000
_REPEATS = 5
_TOPICS = 50
"""Routed topics of each chat."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Of one table: its size, seconds to build it, median seconds of a match."""

    size: int
    build: float
    match: float


def measure(sizes: Sequence[int] = SIZES) -> list[Timing]:
    """Build tables of these sizes and match messages against them, half of which have a route."""
    return [_timing(size) for size in sizes]


def _timing(size: int) -> Timing:
    routes = [
        Route(
            platform="telegram",
            profile=f"p{number % 50}",
            chat_id=str(-1000 - number // _TOPICS),
            thread_id=str(2 + number % _TOPICS),
        )
        for number in range(size)
    ]
    begun = time.perf_counter()
    table = RouteTable.build(routes)
    built = time.perf_counter() - begun
    places = _places(size)
    passes = []
    for _number in range(_REPEATS):
        begun = time.perf_counter()
        for place in places:
            table.match(place)
        passes.append((time.perf_counter() - begun) / len(places))
    return Timing(size, built, median(passes))


def _places(size: int) -> list[Place]:
    random_ = random.Random(size)
    found = []
    for number in range(_PLACES):
        route = random_.randrange(size)
        known = number % 2 == 0
        chat = -1000 - route // _TOPICS
        thread = str(2 + route % _TOPICS) if known else "none"
        found.append(
            Place(platform="telegram", chat_id=str(chat), thread_id=thread, user_id="7700001")
        )
    return found
