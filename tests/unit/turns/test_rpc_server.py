"""Calls of one worker: begun in order, some of them at once, each answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any, cast

import anyio
import pytest

from hermes_router.base.errors import ProtocolError
from hermes_router.protocol import messages as msg
from hermes_router.turns.worker.rpc_server import CALLS_AT_ONCE, RpcServer
from hermes_router.workers.process import WorkerProcess
from tests.kit.workers.scripted import ScriptedWorker

PLACE = ContextVar("place", default="no place")


class PromptRegistry:
    """Does calls: those named ``wait`` when they are let go, all others at once."""

    def __init__(self) -> None:
        self.worker = ScriptedWorker()
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
    async def serving(self) -> AsyncIterator[RpcServer]:
        worker = cast("WorkerProcess", self.worker)
        calls = RpcServer(self.do, worker, turn_id="t", noted=self.noted, take=self.take)
        with anyio.fail_after(60):
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
def registry() -> PromptRegistry:
    return PromptRegistry()


async def test_calls_that_are_done_at_once_need_no_task_of_their_own(
    registry: PromptRegistry,
) -> None:
    async with registry.serving():
        registry.worker.says(*map(at_once, range(100)), None)
    assert registry.answered == list(range(100))
    assert len(set(registry.tasks.values())) == 1


async def test_a_call_that_waits_holds_up_nothing_that_comes_after_it(
    registry: PromptRegistry,
) -> None:
    async with registry.serving():
        registry.worker.says(waits(1), at_once(2), msg.Heartbeat(), waits(3), at_once(4))
        await anyio.wait_all_tasks_blocked()
        assert registry.heard == [1, 2, msg.Heartbeat, 3, 4]
        assert registry.answered == [2, 4]
        registry.let_go.set()
        registry.worker.says(at_once(5), None)
    assert sorted(registry.answered) == [1, 2, 3, 4, 5]


async def test_what_a_call_that_waits_has_set_holds_for_no_other_call(
    registry: PromptRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, str] = {}
    do = registry.do

    async def of_a_place(call: msg.Request) -> object:
        seen[call.id] = PLACE.get()
        token = PLACE.set(f"place of {call.id}")
        try:
            return await do(call)
        finally:
            PLACE.reset(token)

    monkeypatch.setattr(registry, "do", of_a_place)
    async with registry.serving():
        registry.worker.says(waits(1), at_once(2), waits(3), at_once(4))
        await anyio.wait_all_tasks_blocked()
        registry.let_go.set()
        registry.worker.says(at_once(5), None)
    assert seen == dict.fromkeys((1, 2, 3, 4, 5), "no place")


def sends(number: int) -> msg.Call:
    return msg.Call(id=number, method="send", args={})


async def test_a_text_that_the_worker_gives_up_is_not_sent_later(registry: PromptRegistry) -> None:
    sent: list[int] = []

    async def do(call: msg.Request) -> object:
        await registry.let_go.wait()
        sent.append(call.id)
        return "sent"

    registry.do = do  # type: ignore[method-assign]
    async with registry.serving():
        registry.worker.says(sends(1), sends(2), waits(3))
        await anyio.wait_all_tasks_blocked()
        registry.worker.says(msg.Cancel(call=1), msg.Cancel(call=3), msg.Cancel(call=99))
        await anyio.wait_all_tasks_blocked()
        assert [(one.call, one.error is None) for one in registry.worker.told] == [(1, False)]
        registry.let_go.set()
        registry.worker.says(sends(4), None)
    assert sorted(sent) == [2, 3, 4]
    assert sorted(registry.answered) == [1, 2, 3, 4]


async def test_what_is_no_call_is_taken_one_after_the_other(registry: PromptRegistry) -> None:
    async with registry.serving():
        registry.worker.says(
            waits(1), msg.Idle(), at_once(2), msg.Heartbeat(), msg.Draining(), None
        )
        await anyio.wait_all_tasks_blocked()
        assert registry.heard == [1, msg.Idle, 2, msg.Heartbeat, msg.Draining]
        registry.let_go.set()
    assert sorted(registry.answered) == [1, 2]


async def test_so_many_calls_at_once_and_no_more_are_heard(registry: PromptRegistry) -> None:
    async with registry.serving() as calls:
        registry.worker.says(*map(waits, range(CALLS_AT_ONCE + 5)), None)
        await anyio.wait_all_tasks_blocked()
        assert len(registry.tasks) == CALLS_AT_ONCE
        assert len(registry.heard) == CALLS_AT_ONCE + 1
        assert calls.held_up
        registry.let_go.set()
    assert sorted(registry.answered) == list(range(CALLS_AT_ONCE + 5))


async def test_waiting_again_and_again_makes_no_more_tasks_than_calls_at_once(
    registry: PromptRegistry,
) -> None:
    async with registry.serving():
        for number in range(0, 60, 3):
            registry.let_go = anyio.Event()
            registry.worker.says(waits(number), waits(number + 1), waits(number + 2))
            await anyio.wait_all_tasks_blocked()
            registry.let_go.set()
            await anyio.wait_all_tasks_blocked()
        registry.worker.says(None)
    assert sorted(registry.answered) == list(range(60))
    assert len(set(registry.tasks.values())) <= 4


async def test_a_call_that_is_cancelled_from_within_is_an_error_to_the_worker_only(
    registry: PromptRegistry,
) -> None:
    def cancelled() -> None:
        raise asyncio.CancelledError

    registry.act = cancelled
    async with registry.serving():
        registry.worker.says(at_once(1), waits(2))
        await anyio.wait_all_tasks_blocked()
        registry.let_go.set()
        await anyio.wait_all_tasks_blocked()
        registry.act = lambda: "done"
        registry.worker.says(at_once(3), None)
    assert [bool(result.error) for result in registry.worker.told] == [True, True, False]


async def test_a_broken_protocol_ends_the_calls_that_wait(registry: PromptRegistry) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        async with registry.serving():
            registry.worker.says(waits(1), waits(2), msg.Failed(error="x", traceback=""))
    assert raised.group_contains(ProtocolError)
    assert registry.answered == []
    assert all(task is None or task.done() for task in registry.tasks.values())
