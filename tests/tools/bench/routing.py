"""How long finding a message's route takes, and getting the table, over its size."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from hermes_router.config.model import load
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.routing.table import Place, Route, RouteTable
from tests.tools.bench.summary import median

SIZES = (10, 100, 1_000, 10_000, 100_000)
_PLACES = 1_000
_TICK = 0.001
_REPEATS = 5
_TOPICS = 50
"""Routed topics of each chat."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What was measured of one table of routes: its size, and times in seconds.

    They are: to read it from YAML with the place of every route, the longest that an event loop
    stands still meanwhile, to index it, and the median of a match.
    """

    size: int
    read: float
    pause: float
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
    with TemporaryDirectory() as folder:
        config = _written(routes, Path(folder))
        begun = time.perf_counter()
        loaded = load(config)
        read = time.perf_counter() - begun
        if len(loaded.table) != size:
            raise ValueError(f"{len(loaded.table)} of {size} routes were read")
        return Timing(size, read, anyio.run(_pause, config), built, median(passes))


async def _pause(config: Path) -> float:
    """Return the longest that an event loop stood still while it got the table, in seconds."""
    watcher = ConfigWatcher(config, functools.partial(load, config))
    pauses = []

    async def tick() -> None:
        while True:
            begun = time.perf_counter()
            await anyio.sleep(_TICK)
            pauses.append(time.perf_counter() - begun - _TICK)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        await watcher.fresh()
        tasks.cancel_scope.cancel()
    return max(pauses)


def _written(routes: Sequence[Route], folder: Path) -> Path:
    """Write a configuration whose routes file holds these; return its path."""
    config = folder / "config.yaml"
    config.write_text("hermes_router: {routes_file: routes.yaml}\n", "utf-8")
    (folder / "routes.yaml").write_text("".join(map(_entry, routes)), "utf-8")
    return config


def _entry(route: Route) -> str:
    ids = f"chat_id: {route.chat_id}, thread_id: {route.thread_id}"
    return f"- {{platform: {route.platform}, {ids}, profile: {route.profile}}}\n"


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
