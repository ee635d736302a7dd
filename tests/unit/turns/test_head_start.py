"""A worker that was told of a message before it came serves that message, or is ended."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace as replace_fields
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from hermes_router.config.settings import Settings, Warm
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.relay.delivery_policy import Sender
from hermes_router.turns import dispatcher
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.turn import Turn
from hermes_router.turns.worker.event_sender import InboundMessage
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.process import WorkerOrder, WorkerProcess, start_worker
from tests.kit.workers.made_up import HOST, QUICK, NoPost, Scene, Use

#: Says what it was told before the message, and in which order.
WITNESS = """
hello(); say(msg.Ready(phases={}))
heard = []
while not heard or heard[-1] != "event":
    got = hear(); heard.append(type(got).__name__.lower())
say(msg.Accepted(event=got.id)); say(msg.Handled(event=got.id))
say(msg.Call(id=1, method=" ".join(heard), args={})); hear()
say(msg.Idle()); say(msg.Draining())
"""


MESSAGE = msg.Expect(source={"chat_id": "1"})


class OneReady(WorkerPool):
    """A pool with one ready worker, which it starts when it is asked for it."""

    def __init__(self) -> None:
        super().__init__(dict(os.environ), budget=0)
        self.early: list[WorkerProcess] = []
        self.kept: list[WorkerProcess] = []
        self.current = True

    async def fill(self, profile: Profile) -> None:
        self.kept.append(await start_worker(self.order(profile, QUICK)))
        self.kept[-1].prepared = True

    def reserve(self, order: WorkerOrder, warm: Warm) -> WorkerProcess | None:
        if self.kept:
            self.early.append(self.kept.pop())
            return self.early[-1]
        return None

    async def claim(self, worker: WorkerProcess, order: WorkerOrder, warm: Warm) -> bool:
        if not self.current or worker not in self.early:
            return False
        self.early.remove(worker)
        return True

    def give_up(self, worker: WorkerProcess) -> None:
        if worker in self.early:
            self.early.remove(worker)
            self._ending.start(worker.end())


class Expecting:
    """A dispatcher whose pool has a ready worker."""

    def __init__(self, profile: Profile) -> None:
        self.pool = OneReady()
        self.post = Post()
        services = replace_fields(HOST, workers=self.pool, delivery=self.post)
        self.dispatcher = Dispatcher(services)
        self.scene = Scene(profile)

    async def expect(self, scene: Scene | None = None) -> None:
        """Tell the ready worker of a message; return when it is told, or when none is told."""
        tasks = self.dispatcher._tasks
        task = tasks.start(self.dispatcher.expect(scene or self.scene, QUICK, MESSAGE))
        with anyio.fail_after(60):
            while not (self.dispatcher._expected or task.done()):  # noqa: ASYNC110
                await anyio.sleep(0.01)

    async def say(self, settings: Settings = QUICK) -> Turn:
        with anyio.fail_after(60):
            turn = await self.dispatcher.serve(self.scene, InboundMessage({}, {}), settings)
            await turn.ended.wait()
        return turn

    @property
    def told(self) -> list[str]:
        return [name for name, _ in self.scene.calls]


class Post(NoPost):
    """Says what a worker may do; the test can change that."""

    anywhere = False
    slow: anyio.Event | None = None

    def __init__(self) -> None:
        self.asked = anyio.Event()

    async def delivery_scope(self, sender: Sender) -> msg.DeliveryScope:
        self.asked.set()
        if self.slow is not None:
            await self.slow.wait()
        return msg.DeliveryScope(anywhere=self.anywhere)


@pytest.fixture
async def expecting(profile: Profile, worker: Use) -> AsyncIterator[Expecting]:
    worker(WITNESS)
    made = Expecting(profile)
    await made.pool.fill(profile)
    yield made
    await made.dispatcher.close("the end of the test")


async def test_the_worker_that_was_told_serves_the_message(expecting: Expecting) -> None:
    await expecting.expect()
    [early] = expecting.pool.early
    turn = await expecting.say()
    assert turn.pid == early.pid
    assert expecting.told == ["start expect event"]
    assert turn.failure is None


async def test_without_it_a_worker_hears_of_no_message_to_come(expecting: Expecting) -> None:
    await expecting.say()
    assert expecting.told == ["start event"]


@pytest.mark.parametrize("what", ["delivery scope", "time limit", "profile on disk"])
async def test_a_worker_that_was_told_something_else_is_ended(
    expecting: Expecting, what: str
) -> None:
    await expecting.expect()
    [early] = expecting.pool.early
    settings = QUICK
    if what == "delivery scope":
        expecting.post.anywhere = True
    elif what == "time limit":
        settings = replace(QUICK, timeouts=replace(QUICK.timeouts, post_turn=77.0))
    else:
        expecting.pool.current = False
    turn = await expecting.say(settings)
    assert turn.pid != early.pid
    assert expecting.told == ["start event"]
    assert expecting.pool.early == []


async def test_a_message_that_does_not_come_ends_its_worker(
    expecting: Expecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "_EXPECTED_SECONDS", 0.2)
    await expecting.expect()
    [early] = expecting.pool.early
    with anyio.fail_after(60):
        while not early.ended:  # noqa: ASYNC110
            await anyio.sleep(0.01)
    assert expecting.pool.early == []
    assert expecting.dispatcher._expected == {}
    turn = await expecting.say()
    assert turn.pid != early.pid
    assert expecting.told == ["start event"]


async def test_one_worker_is_told_however_many_parts_come(
    expecting: Expecting, profile: Profile
) -> None:
    await expecting.expect()
    await expecting.pool.fill(profile)
    await expecting.dispatcher.expect(expecting.scene, QUICK, MESSAGE)
    assert len(expecting.pool.early) == 1


async def test_none_is_told_while_a_turn_of_the_session_runs(
    expecting: Expecting, worker: Use
) -> None:
    worker("hello(); say(msg.Ready(phases={})); got = event(); say(msg.Accepted(event=got.id))\n")
    turn = await expecting.dispatcher.serve(expecting.scene, InboundMessage({}, {}), QUICK)
    await expecting.dispatcher.expect(expecting.scene, QUICK, MESSAGE)
    assert expecting.pool.early == []
    assert len(expecting.pool.kept) == 1
    await turn.kill()


async def test_a_worker_that_its_message_finds_untold_is_told_by_the_turn_alone(
    expecting: Expecting,
) -> None:
    slow = expecting.post.slow = anyio.Event()
    tasks = expecting.dispatcher._tasks
    telling = tasks.start(expecting.dispatcher.expect(expecting.scene, QUICK, MESSAGE))
    await expecting.post.asked.wait()
    [early] = expecting.pool.early
    expecting.post.slow = None
    with anyio.fail_after(60):
        turn = await expecting.dispatcher.serve(expecting.scene, InboundMessage({}, {}), QUICK)
        slow.set()
        await turn.ended.wait()
        await telling
    assert turn.pid == early.pid
    assert expecting.told == ["start event"]


async def test_no_turn_begins_while_a_worker_that_was_told_something_else_lives(
    expecting: Expecting, monkeypatch: pytest.MonkeyPatch
) -> None:
    await expecting.expect()
    [early] = expecting.pool.early
    expecting.post.anywhere = True
    seen = []
    start = expecting.pool.start

    async def started(*args: Any) -> WorkerProcess:
        seen.append(early.ended)
        return await start(*args)

    monkeypatch.setattr(expecting.pool, "start", started)
    turn = await expecting.say()
    assert turn.pid != early.pid
    assert seen == [True]


async def test_none_is_told_while_all_places_are_taken(expecting: Expecting, worker: Use) -> None:
    worker("hello(); say(msg.Ready(phases={})); got = event(); say(msg.Accepted(event=got.id))\n")
    narrow = replace(QUICK, limits=replace(QUICK.limits, concurrent_turns=1))
    other = Scene(expecting.scene.profile, key="agent:main:telegram:group:1:7")
    turn = await expecting.dispatcher.serve(other, InboundMessage({}, {}), narrow)
    await expecting.dispatcher.expect(expecting.scene, narrow, MESSAGE)
    assert expecting.pool.early == []
    assert len(expecting.pool.kept) == 1
    await turn.kill()


async def test_none_is_told_once_the_gateway_stops(expecting: Expecting) -> None:
    await expecting.dispatcher.close("the gateway stops")
    await expecting.dispatcher.expect(expecting.scene, QUICK, MESSAGE)
    assert expecting.pool.early == []
    for worker in expecting.pool.kept:
        await worker.end()
