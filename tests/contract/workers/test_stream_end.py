"""A finished answer does not wait for the next look that Hermes takes at its stream."""

from __future__ import annotations

import asyncio
import importlib
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.startup import speedups

LOOK = 0.05
"""Seconds between two looks of Hermes."""


@pytest.fixture(autouse=True)
def as_hermes_is() -> Iterator[None]:
    yield
    replacements.FINISH_STREAM.restore()
    replacements.PAUSE_STREAM.restore()


def consumer() -> Any:
    """Return Hermes's consumer of an answer's text, as it is when nobody sees the text grow."""
    module = importlib.import_module("gateway.stream_consumer")
    return module.GatewayStreamConsumer(SimpleNamespace(), "-100")


async def seconds_to_the_end(*, after: float) -> float:
    """Run a consumer, finish it ``after`` so many seconds in a thread, and wait for its end.

    Returns the seconds from the beginning to the end.
    """
    stream, begun = consumer(), time.monotonic()
    finish = threading.Timer(after, stream.finish)
    finish.start()
    await asyncio.wait_for(stream.run(), 30)
    finish.join()
    return time.monotonic() - begun


def test_an_answer_ends_before_the_next_look() -> None:
    async def ends() -> list[float]:
        speedups.end_streams_at_once()
        return [await seconds_to_the_end(after=LOOK / 10) for _ in range(10)]

    assert min(asyncio.run(ends())) < LOOK * 0.8


def test_each_session_of_a_process_ends_the_pauses_of_its_own_loop() -> None:
    async def end() -> float:
        speedups.end_streams_at_once()
        return min([await seconds_to_the_end(after=LOOK / 10) for _ in range(10)])

    asyncio.run(end())
    assert asyncio.run(end()) < LOOK * 0.8


def test_an_answer_that_grows_is_looked_at_as_rarely_as_before() -> None:
    async def looks() -> float:
        speedups.end_streams_at_once()
        stream, begun = consumer(), time.monotonic()
        seen: list[int] = []

        def still_current() -> bool:
            seen.append(0)
            return True

        stream._run_still_current = still_current
        running = asyncio.create_task(stream.run())
        for _ in range(20):
            await asyncio.sleep(0.01)
            stream.on_delta("word ")
        running.cancel()
        return len(seen) - (time.monotonic() - begun) / LOOK

    assert asyncio.run(looks()) <= 1


def test_a_pause_that_the_platform_asked_for_is_not_ended() -> None:
    async def pause() -> float:
        speedups.end_streams_at_once()
        pauses = importlib.import_module("gateway.stream_consumer").asyncio
        begun = time.monotonic()
        pauses.end()
        await pauses.sleep(0.3)
        return time.monotonic() - begun

    assert asyncio.run(pause()) >= 0.3


def test_an_answer_may_be_finished_after_its_loop_has_ended() -> None:
    async def begin() -> None:
        speedups.end_streams_at_once()

    asyncio.run(begin())
    consumer().finish()
