"""Whose turn begins when a slot is free: no profile keeps another one waiting."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermes_router.config.settings import Limits
from hermes_router.turns.capacity import derived, machine_bytes, turns_at_once
from hermes_router.turns.gate import Gates, Slot, TooBusy, Waiting

LIMITS = Limits(concurrent_turns=4, queue=8)


class Hall:
    """Messages of several profiles before their gates; ``running`` are in the order they began."""

    def __init__(self, tasks: anyio.abc.TaskGroup, limit: int) -> None:
        self.gates = Gates(limit)
        self.running: dict[str, Slot] = {}
        self.begun: list[str] = []
        self.told: dict[str, int] = {}
        self.refused: dict[str, int] = {}
        self._tasks = tasks

    async def comes(self, *names: str) -> None:
        """Let a message come for each name: its profile, then what tells it apart."""
        for name in names:
            self._tasks.start_soon(self._enter, name)
            await anyio.wait_all_tasks_blocked()

    async def leaves(self, name: str) -> None:
        self.running.pop(name).leave()
        await anyio.wait_all_tasks_blocked()

    async def _enter(self, name: str) -> None:
        try:
            slot = await self.gates.of(name[0]).enter(
                name,
                Waiting(0.0, ""),
                LIMITS,
                at_once=False,
                told=lambda ahead: self.told.update({name: ahead}),
            )
        except TooBusy as refusal:
            self.refused[name] = refusal.ahead
            return
        self.running[name] = slot
        self.begun.append(name)


@asynccontextmanager
async def hall(limit: int) -> AsyncIterator[Hall]:
    async with anyio.create_task_group() as tasks:
        yield Hall(tasks, limit)
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_quiet_profile_is_next_however_many_of_a_busy_one_wait() -> None:
    async with hall(2) as all_profiles:
        await all_profiles.comes("b1", "b2", "b3", "b4", "b5", "q1")
        assert all_profiles.told == {"b3": 1, "b4": 2, "b5": 3, "q1": 1}
        await all_profiles.leaves("b1")
        assert all_profiles.begun[-1] == "q1"
        await all_profiles.leaves("q1")
        await all_profiles.leaves("b2")
        assert all_profiles.begun == ["b1", "b2", "q1", "b3", "b4"]


@pytest.mark.anyio
async def test_profiles_that_are_equally_busy_take_turns() -> None:
    async with hall(1) as all_profiles:
        await all_profiles.comes("a1", "a2", "a3", "b1", "b2", "c1")
        for _ in range(5):
            await all_profiles.leaves(all_profiles.begun[-1])
        assert all_profiles.begun == ["a1", "b1", "c1", "a2", "b2", "a3"]


@pytest.mark.anyio
async def test_a_profile_has_no_more_turns_than_its_own_limit_allows() -> None:
    async with hall(6) as all_profiles:
        await all_profiles.comes(*(f"a{n}" for n in range(6)), "b1", "b2", "b3")
        assert Counter(name[0] for name in all_profiles.running) == {"a": 4, "b": 2}
        assert all_profiles.told == {"a4": 4, "a5": 5, "b3": 1}


@pytest.mark.anyio
async def test_a_refusal_says_how_many_are_ahead() -> None:
    async with hall(1) as all_profiles:
        await all_profiles.comes("b1", *(f"a{n}" for n in range(LIMITS.queue + 1)))
        assert all_profiles.refused == {f"a{LIMITS.queue}": LIMITS.queue + 1}


@pytest.mark.anyio
async def test_more_slots_are_given_at_once_and_less_end_no_turn() -> None:
    async with hall(1) as all_profiles:
        await all_profiles.comes("a1", "a2", "b1", "c1")
        all_profiles.gates.resize(3)
        await anyio.wait_all_tasks_blocked()
        assert sorted(all_profiles.running) == ["a1", "b1", "c1"]
        all_profiles.gates.resize(2)
        await all_profiles.leaves("a1")
        assert sorted(all_profiles.running) == ["b1", "c1"]
        await all_profiles.leaves("b1")
        assert sorted(all_profiles.running) == ["a2", "c1"]


@given(
    limit=st.integers(1, 5),
    steps=st.lists(st.one_of(st.sampled_from("abcd"), st.integers(0, 9)), max_size=60),
)
@settings(max_examples=150, deadline=None)
def test_no_slot_stays_free_and_nobody_is_passed_over(limit: int, steps: list[str | int]) -> None:
    asyncio.run(play(limit, steps))


async def play(limit: int, steps: list[str | int]) -> None:
    """Let messages come (a profile) and turns end (a number), and look after each step."""
    async with hall(limit) as all_profiles:
        for number, step in enumerate(steps):
            if isinstance(step, str):
                await all_profiles.comes(f"{step}{number}")
            elif all_profiles.running:
                names = sorted(all_profiles.running)
                before = Counter(name[0] for name in names)
                ended = names[step % len(names)]
                waited = waiting(all_profiles)
                count = len(all_profiles.begun)
                await all_profiles.leaves(ended)
                before[ended[0]] -= 1
                for begun in all_profiles.begun[count:]:
                    fewest = min(before[profile] for profile in waited if before[profile] < 4)
                    assert before[begun[0]] == fewest
            mine = Counter(name[0] for name in all_profiles.running)
            assert sum(mine.values()) <= limit
            if sum(mine.values()) < limit:
                assert all(mine[profile] == 4 for profile in waiting(all_profiles))


def waiting(all_profiles: Hall) -> list[str]:
    """Return the profiles whose messages wait."""
    return [profile for profile in "abcd" if all_profiles.gates.of(profile).count]


@pytest.mark.parametrize(
    ("memory", "turns"), [(0, 8), (2 * 2**30, 8), (8 * 2**30, 32), (64 * 2**30, 64)]
)
def test_the_machines_memory_decides_where_nobody_else_does(memory: int, turns: int) -> None:
    assert derived(memory) == turns
    assert turns_at_once(5) == 5
    assert turns_at_once(0) == derived(machine_bytes())
