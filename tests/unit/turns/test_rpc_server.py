"""Calls of one worker: begun in order, some of them at once, each answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest

from hermes_router.errors import ProtocolError
from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import EndOfFrames
from hermes_router.turns.rpc_server import CALLS_AT_ONCE, Calls
from hermes_router.workers.process import WorkerProcess


class Worker:
    """Says what a test puts into it, and keeps what it is told."""

    frame_bytes = 100

    def __init__(self) -> None:
        self._says: asyncio.Queue[msg.FromWorker | None] = asyncio.Queue()
        self.told: list[msg.Result] = []

    def says(self, *messages: msg.FromWorker | None) -> None:
        for message in messages:
            self._says.put_nowait(message)

    async def receive(self) -> msg.FromWorker:
        message = await self._says.get()
        if message is None:
            raise EndOfFrames
        return message

    async def send(self, message: msg.Message) -> None:
        self.told.append(cast("msg.Result", message))


class Desk:
    """Does calls: those named ``wait`` when they are let go, all others at once."""

    def __init__(self) -> None:
        self.worker = Worker()
        self.heard: list[object] = []
        self.tasks: dict[int, asyncio.Task[Any] | None] = {}
        self.let_go = anyio.Event()
        self.act: Callable[[], object] = lambda: "done"

    async def do(self, call: msg.Request) -> object:
        self.tasks[call.id] = asyncio.current_task()
        if isinstance(call, msg.Call) and call.method == "wait":
            await self.let_go.wait()
        return self.act()

    def noted(self, call: msg.Request, _size: int) -> None:
        self.heard.append(call.id)

    async def take(self, message: msg.FromWorker) -> None:
        await asyncio.sleep(0)  # like a piece of a file, which a thread writes
        if isinstance(message, msg.Failed):
            raise ProtocolError("no")
        self.heard.append(type(message))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Calls]:
        worker = cast("WorkerProcess", self.worker)
        calls = Calls(self.do, worker, turn_id="t", noted=self.noted, take=self.take)
        with anyio.fail_after(20):
            async with anyio.create_task_group() as outer:

                async def serve() -> None:
                    async with anyio.create_task_group() as tasks:
                        await calls.serve(tasks)

                outer.start_soon(serve)
                yield calls

    @property
    def answered(self) -> list[int]:
        return [result.call for result in self.worker.told]


def at_once(number: int) -> msg.Call:
    return msg.Call(id=number, method="quick", args={})


def waits(number: int) -> msg.Call:
    return msg.Call(id=number, method="wait", args={})


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_calls_that_are_done_at_once_need_no_task_of_their_own(desk: Desk) -> None:
    async with desk.serving():
        desk.worker.says(*map(at_once, range(100)), None)
    assert desk.answered == list(range(100))
    assert len(set(desk.tasks.values())) == 1


async def test_a_call_that_waits_holds_up_nothing_that_comes_after_it(desk: Desk) -> None:
    async with desk.serving():
        desk.worker.says(waits(1), at_once(2), msg.Alive(), waits(3), at_once(4))
        await anyio.wait_all_tasks_blocked()
        assert desk.heard == [1, 2, msg.Alive, 3, 4]
        assert desk.answered == [2, 4]
        desk.let_go.set()
        desk.worker.says(at_once(5), None)
    assert sorted(desk.answered) == [1, 2, 3, 4, 5]


async def test_what_is_no_call_is_taken_one_after_the_other(desk: Desk) -> None:
    async with desk.serving():
        desk.worker.says(waits(1), msg.Idle(), at_once(2), msg.Alive(), msg.Leaving(), None)
        await anyio.wait_all_tasks_blocked()
        assert desk.heard == [1, msg.Idle, 2, msg.Alive, msg.Leaving]
        desk.let_go.set()
    assert sorted(desk.answered) == [1, 2]


async def test_so_many_calls_at_once_and_no_more_are_heard(desk: Desk) -> None:
    async with desk.serving() as calls:
        desk.worker.says(*map(waits, range(CALLS_AT_ONCE + 5)), None)
        await anyio.wait_all_tasks_blocked()
        assert len(desk.tasks) == CALLS_AT_ONCE
        assert len(desk.heard) == CALLS_AT_ONCE + 1
        assert calls.held_up
        desk.let_go.set()
    assert sorted(desk.answered) == list(range(CALLS_AT_ONCE + 5))


async def test_waiting_again_and_again_makes_no_more_tasks_than_calls_at_once(desk: Desk) -> None:
    async with desk.serving():
        for number in range(0, 60, 3):
            desk.let_go = anyio.Event()
            desk.worker.says(waits(number), waits(number + 1), waits(number + 2))
            await anyio.wait_all_tasks_blocked()
            desk.let_go.set()
            await anyio.wait_all_tasks_blocked()
        desk.worker.says(None)
    assert sorted(desk.answered) == list(range(60))
    assert len(set(desk.tasks.values())) <= 4


async def test_a_call_that_is_cancelled_from_within_is_an_error_to_the_worker_only(
    desk: Desk,
) -> None:
    def cancelled() -> None:
        raise asyncio.CancelledError

    desk.act = cancelled
    async with desk.serving():
        desk.worker.says(at_once(1), waits(2))
        await anyio.wait_all_tasks_blocked()
        desk.let_go.set()
        await anyio.wait_all_tasks_blocked()
        desk.act = lambda: "done"
        desk.worker.says(at_once(3), None)
    assert [bool(result.error) for result in desk.worker.told] == [True, True, False]


async def test_a_broken_protocol_ends_the_calls_that_wait(desk: Desk) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        async with desk.serving():
            desk.worker.says(waits(1), waits(2), msg.Failed(error="x", traceback=""))
    assert raised.group_contains(ProtocolError)
    assert desk.answered == []
    assert all(task is None or task.done() for task in desk.tasks.values())
