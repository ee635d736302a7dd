"""The slots of a profile's turns: who gets one, who waits, and who gives one back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from hermes_router.config.settings import Limits
from hermes_router.turns.gate import Gates, Slot, StoppedWaiting, TooBusy, Waiting

TWO = Limits(concurrent_turns=2, queue=2)
ONE = Limits(concurrent_turns=1, queue=2)

pytestmark = pytest.mark.anyio


@dataclass
class Message:
    """One message that wants a slot, and what has become of it."""

    told: list[int] = field(default_factory=list)
    slot: Slot | None = None
    failure: Exception | None = None


class Door:
    """A gate with messages before it."""

    def __init__(self, tasks: anyio.abc.TaskGroup, limits: Limits) -> None:
        self.gates = Gates()
        self.gate = self.gates.of("career")
        self.limits = limits
        self._tasks = tasks
        self._count = 0

    async def comes(self, lane: str = "lane", *, at_once: bool = False) -> Message:
        """Let a message come, and everything happen that happens without another one."""
        message = Message()
        self._count += 1
        self._tasks.start_soon(self._enter, message, lane, float(self._count), at_once)
        await anyio.wait_all_tasks_blocked()
        return message

    async def leaves(self, message: Message) -> None:
        assert message.slot is not None
        message.slot.leave()
        await anyio.wait_all_tasks_blocked()

    async def pauses(self, message: Message, *, waits: bool) -> None:
        assert message.slot is not None
        message.slot.pause(waits)
        await anyio.wait_all_tasks_blocked()

    async def _enter(self, message: Message, lane: str, received: float, at_once: bool) -> None:
        try:
            message.slot = await self.gate.enter(
                lane,
                Waiting(received, f"place of {lane}"),
                self.limits,
                at_once=at_once,
                told=message.told.append,
            )
        except (TooBusy, StoppedWaiting) as failure:
            message.failure = failure


@asynccontextmanager
async def door(limits: Limits) -> AsyncIterator[Door]:
    async with anyio.create_task_group() as tasks:
        yield Door(tasks, limits)
        tasks.cancel_scope.cancel()


async def test_as_many_turns_run_as_may_and_the_next_waits_and_is_told() -> None:
    async with door(TWO) as before:
        first, second, third = [await before.comes() for _ in range(3)]
        assert None not in {first.slot, second.slot}
        assert before.gate.waiting() == [Waiting(3.0, "place of lane")]
        assert (first.told, second.told, third.told) == ([], [], [2])
        await before.leaves(first)
        assert third.slot is not None
        assert before.gate.waiting() == []


async def test_slots_go_to_who_waits_longest() -> None:
    async with door(ONE) as before:
        first, second, third = [await before.comes() for _ in range(3)]
        assert third.told == [2]
        await before.leaves(first)
        assert second.slot is not None
        assert third.slot is None


async def test_a_limit_that_is_raised_counts_for_who_waits_already_and_first() -> None:
    async with door(ONE) as before:
        first, second, third = [await before.comes() for _ in range(3)]
        before.limits = TWO
        fourth = await before.comes()
        assert second.slot is not None
        assert (third.slot, fourth.slot) == (None, None)
        await before.leaves(first)
        assert third.slot is not None


async def test_a_new_configuration_gives_slots_at_once_whatever_a_message_thinks() -> None:
    async with door(ONE) as before:
        first, second, third = [await before.comes() for _ in range(3)]
        before.gates.resize(0, {"career": 2}.__getitem__)
        await anyio.wait_all_tasks_blocked()
        assert second.slot is not None
        await before.leaves(first)
        assert third.slot is not None
        before.gates.resize(0, {"career": 3}.__getitem__)
        assert (await before.comes()).slot is not None, "it waited with the settings of before"
        before.gates.resize(0, {"career": 1}.__getitem__)
        last = await before.comes()
        await before.leaves(second)
        await before.leaves(third)
        assert last.slot is None


async def test_one_message_too_many_is_refused() -> None:
    async with door(ONE) as before:
        messages = [await before.comes() for _ in range(4)]
        assert isinstance(messages[3].failure, TooBusy)
        assert messages[3].told == []
        assert len(before.gate.waiting()) == 2


async def test_what_needs_no_slot_waits_for_nobody() -> None:
    async with door(ONE) as before:
        first = await before.comes()
        command = await before.comes(at_once=True)
        assert command.slot is not None
        waits = await before.comes()
        await before.leaves(command)
        assert waits.slot is None
        await before.leaves(first)
        assert waits.slot is not None


async def test_a_turn_that_waits_for_a_person_gives_its_slot_and_takes_it_again() -> None:
    async with door(ONE) as before:
        first, second, third = [await before.comes() for _ in range(3)]
        await before.pauses(first, waits=True)
        assert second.slot is not None
        await before.pauses(first, waits=False)  # one more than may: it is in the middle of it
        await before.leaves(second)
        assert third.slot is None
        await before.leaves(first)
        assert third.slot is not None


async def test_saying_the_same_twice_changes_nothing() -> None:
    async with door(ONE) as before:
        first, second, third = [await before.comes() for _ in range(3)]
        for _ in range(2):
            await before.pauses(first, waits=True)
        assert second.slot is not None
        assert third.slot is None
        for _ in range(2):
            await before.leaves(first)
        await before.pauses(first, waits=False)
        assert third.slot is None
        await before.leaves(second)
        assert third.slot is not None


async def test_who_is_stopped_waits_no_longer_and_takes_no_slot() -> None:
    async with door(ONE) as before:
        first = await before.comes("first")
        second, third = await before.comes("second"), await before.comes("third")
        assert before.gate.stop("second") == 1
        assert before.gate.stop("second") == 0
        await anyio.wait_all_tasks_blocked()
        assert isinstance(second.failure, StoppedWaiting)
        await before.leaves(first)
        assert third.slot is not None
        assert (await before.comes()).told == [1]


async def test_who_is_cancelled_while_it_is_given_a_slot_leaves_none_taken() -> None:
    async with door(ONE) as before:
        first = await before.comes()
        second = asyncio.ensure_future(
            before.gate.enter(
                "lane", Waiting(2.0, ""), ONE, at_once=False, told=lambda _ahead: None
            )
        )
        third = await before.comes()
        assert first.slot is not None
        first.slot.leave()  # the second is given the slot, and has not seen it yet
        second.cancel()
        await anyio.wait_all_tasks_blocked()
        assert second.cancelled()
        assert third.slot is not None
        assert before.gate.waiting() == []
