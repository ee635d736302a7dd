"""Who may import Hermes when: who has a message goes first, and a processor is left free."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.abc
import pytest

from hermes_router.workers.starts import start_queue
from hermes_router.workers.starts.start_queue import StartQueue


class Starts:
    """Processes that ask the queue for their turn, by name; each goes on until it is told.

    What stands before a dot in a name is its profile.
    """

    def __init__(self, queue: StartQueue, tasks: anyio.abc.TaskGroup) -> None:
        self.queue = queue
        self.begun: list[str] = []
        self.waited_for: set[str] = set()
        self._tasks = tasks
        self._ends: dict[str, anyio.Event] = {}

    async def ask(self, *names: str) -> None:
        for name in names:
            self._ends[name] = anyio.Event()
            self._tasks.start_soon(self._prepare, name)
            await anyio.wait_all_tasks_blocked()

    async def ask_for_messages(self, *names: str) -> None:
        self.waited_for.update(names)
        await self.ask(*names)

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await anyio.wait_all_tasks_blocked()

    async def wait_for(self, name: str) -> None:
        self.waited_for.add(name)
        self.queue.look()
        await anyio.wait_all_tasks_blocked()

    async def _prepare(self, name: str) -> None:
        profile = name.partition(".")[0]
        async with self.queue.place(profile, lambda: name in self.waited_for):
            self.begun.append(name)
            await self._ends[name].wait()


@contextlib.asynccontextmanager
async def starts(processors: int) -> AsyncIterator[Starts]:
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            yield Starts(StartQueue(processors), tasks)
            tasks.cancel_scope.cancel()


@pytest.mark.parametrize(("processors", "at_once"), [(1, 1), (2, 1), (4, 3)])
async def test_a_processor_is_left_to_messages(processors: int, at_once: int) -> None:
    async with starts(processors) as made:
        await made.ask("a", "b", "c", "d", "e")
        assert made.begun == list("abcde")[:at_once]
        await made.end("a")
        assert made.begun == list("abcde")[: at_once + 1]


async def test_a_template_that_is_waited_for_begins_first_and_on_every_processor() -> None:
    async with starts(2) as made:
        await made.ask("a", "b", "c", "d")
        await made.wait_for("d")
        assert made.begun == ["a", "d"]
        assert len(made.queue._running) == 2
        await made.wait_for("c")
        await made.end("a")
        assert made.begun == ["a", "d", "c"]
        await made.end("c")
        await made.end("d")
        assert made.begun == ["a", "d", "c", "b"]


async def test_messages_share_the_processors_one_after_the_other() -> None:
    async with starts(2) as made:
        await made.ask_for_messages("a", "b", "c", "d")
        assert made.begun == ["a", "b"]
        await made.end("b")
        assert made.begun == ["a", "b", "c"]


async def test_a_cold_worker_counts_until_it_has_imported_hermes() -> None:
    async with starts(2) as made:
        imported = anyio.Event()
        async with anyio.create_task_group() as tasks:
            worker = await made.queue.enter("w", lambda: True)
            tasks.start_soon(made.queue.leave_after, imported, worker)
            await made.ask("a")
            assert made.begun == []
            await made.wait_for("a")
            assert made.begun == ["a"]
            imported.set()
        assert len(made.queue._running) < 2


async def test_a_profile_that_imports_nothing_goes_before_one_that_does() -> None:
    async with starts(2) as made:
        await made.ask_for_messages("hangs.1", "hangs.2", "hangs.3", "hangs.4", "quiet", "calm")
        assert made.begun == ["hangs.1", "hangs.2"]
        await made.end("hangs.1")
        assert made.begun[2:] == ["quiet"]
        await made.end("quiet")
        assert made.begun[3:] == ["calm"]
        await made.end("calm")
        assert made.begun[4:] == ["hangs.3"]


async def test_who_gives_up_waiting_takes_no_place() -> None:
    async with starts(2) as made:
        await made.ask("a")
        with anyio.move_on_after(0.01):
            async with made.queue.place("b", lambda: False):
                pytest.fail("there was no place")
        await made.end("a")
        await made.ask("b")
        assert made.begun == ["a", "b"]


async def test_a_process_that_hangs_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_queue, "_COUNT_SECONDS", 0.05)
    async with starts(2) as made:
        await made.ask("hangs", "next", "last")
        while len(made.begun) < 3:  # noqa: ASYNC110
            await anyio.sleep(0.01)
        for name in made.begun:
            await made.end(name)
        assert len(made.queue._running) < 2
        assert made.queue._running == []


@pytest.mark.parametrize(
    ("quota", "usable"), [("50000 100000", 1), ("max 100000", None), ("", None)]
)
def test_a_quota_of_a_container_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, quota: str, usable: int | None
) -> None:
    without = start_queue._processors()
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(start_queue, "_QUOTA", tmp_path / "cpu.max")
    assert start_queue._processors() == (usable or without)
