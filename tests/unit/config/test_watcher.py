"""Edits of the configuration: in force for the next message, never half, never broken."""

# ruff: noqa: ASYNC240 - small files of the test's own

from __future__ import annotations

import logging
import os
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import anyio.from_thread
import pytest

from hermes_router.base.errors import ConfigError
from hermes_router.config import watcher as reload
from hermes_router.config.model import RouterConfig, load
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.routing.table import Place

pytestmark = pytest.mark.anyio

PLACE = Place("telegram", "-1")


def routes_to(profile: str) -> str:
    return f"profile_routes: {{telegram: {{'-1': {profile}}}}}\n"


def answer(config: RouterConfig) -> str | None:
    match = config.table.match(PLACE)
    return match.profile if match else None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(routes_to("a"))
    return file


class Loads:
    """A loader that counts, and that can be held up inside a reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.during: Callable[[], None] = lambda: None

    def __call__(self) -> RouterConfig:
        self.count += 1
        config = load(self.path)
        self.during()
        return config


async def test_an_edit_is_in_force_for_the_next_message(path: Path) -> None:
    watcher = ConfigWatcher(path, partial(load, path))
    assert answer(await watcher.fresh()) == "a"
    for profile in ("b", "c"):
        path.write_text(routes_to(profile))
        assert answer(await watcher.fresh()) == profile
        assert answer(watcher.current()) == profile


async def test_files_that_did_not_change_are_read_once(path: Path) -> None:
    loads = Loads(path)
    watcher = ConfigWatcher(path, loads)
    first = await watcher.fresh()
    for _ in range(10):
        assert await watcher.fresh() is first
        assert watcher.current() is first
    watcher.reload()
    assert loads.count == 1
    assert watcher.snapshot is first


async def test_a_replaced_file_of_the_same_size_and_time_is_noticed(path: Path) -> None:
    watcher = ConfigWatcher(path, partial(load, path))
    await watcher.fresh()
    info = path.stat()
    other = path.with_name("new.yaml")
    other.write_text(routes_to("b"))
    os.utime(other, ns=(info.st_atime_ns, info.st_mtime_ns))
    other.replace(path)
    assert path.stat().st_mtime_ns == info.st_mtime_ns
    assert answer(await watcher.fresh()) == "b"


async def test_a_turn_keeps_the_table_that_it_began_with(path: Path) -> None:
    watcher = ConfigWatcher(path, partial(load, path))
    begun = await watcher.fresh()
    path.write_text(routes_to("b"))
    assert answer(await watcher.fresh()) == "b"
    assert answer(begun) == "a"


async def test_a_broken_edit_leaves_the_last_good_table_and_is_logged_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watcher = ConfigWatcher(path, partial(load, path))
    good = await watcher.fresh()
    path.write_text("profile_routes: {telegram: {1.5: b}}\n")
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert await watcher.fresh() is good
    assert watcher.error is not None
    assert "the float 1.5" in str(watcher.error)
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1
    assert "the float 1.5" in caplog.text
    path.write_text(routes_to("c"))
    assert answer(await watcher.fresh()) == "c"
    assert watcher.error is None


async def test_a_broken_file_at_the_start_is_an_error_until_it_is_mended(path: Path) -> None:
    path.write_text("profile_routes: [")
    watcher = ConfigWatcher(path, partial(load, path))
    for _ in range(2):
        with pytest.raises(ConfigError, match="not valid YAML"):
            await watcher.fresh()
    with pytest.raises(ConfigError):
        watcher.current()
    path.write_text(routes_to("b"))
    assert answer(await watcher.fresh()) == "b"


async def test_a_missing_file_is_an_empty_table_until_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    watcher = ConfigWatcher(path, partial(load, path))
    assert answer(await watcher.fresh()) is None
    path.write_text(routes_to("b"))
    assert answer(await watcher.fresh()) == "b"


@pytest.mark.parametrize("edit", [Path.unlink, lambda path: path.write_text("")])
async def test_a_file_that_vanishes_or_is_emptied_takes_no_routes_away(
    path: Path, edit: Callable[[Path], object]
) -> None:
    watcher = ConfigWatcher(path, partial(load, path))
    await watcher.fresh()
    edit(path)
    assert answer(await watcher.fresh()) == "a"
    assert watcher.error is not None
    path.write_text(routes_to("b"))
    assert answer(await watcher.fresh()) == "b"


async def test_routes_taken_out_on_purpose_are_gone(path: Path) -> None:
    watcher = ConfigWatcher(path, partial(load, path))
    await watcher.fresh()
    path.write_text("model: {}\n")
    assert answer(await watcher.fresh()) is None
    assert watcher.error is None


async def test_an_edit_of_the_routes_file_counts_and_so_does_its_first_writing(
    path: Path,
) -> None:
    routes = path.with_name("routes.yaml")
    watcher = ConfigWatcher(path, partial(load, path))
    await watcher.fresh()
    path.write_text("hermes_router: {routes_file: routes.yaml}\n")
    assert answer(await watcher.fresh()) == "a"
    assert watcher.error is not None
    for profile in ("b", "c"):
        routes.write_text(f"telegram: {{'-1': {profile}}}\n")
        assert answer(await watcher.fresh()) == profile
        assert watcher.error is None
    routes.write_text("")
    assert answer(await watcher.fresh()) == "c"
    assert watcher.error is not None


async def test_a_file_that_changes_while_it_is_read_is_read_again(path: Path) -> None:
    loads = Loads(path)

    def edit_once() -> None:
        loads.during = lambda: None
        path.write_text(routes_to("late"))

    watcher = ConfigWatcher(path, loads)
    await watcher.fresh()
    loads.during = edit_once
    path.write_text(routes_to("b"))
    assert answer(await watcher.fresh()) == "late"


async def test_a_routes_file_that_changes_while_it_is_first_read_is_read_again(
    path: Path,
) -> None:
    routes = path.with_name("routes.yaml")
    routes.write_text("telegram: {'-1': b}\n")
    path.write_text("hermes_router: {routes_file: routes.yaml}\n")
    loads = Loads(path)

    def edit_once() -> None:
        loads.during = lambda: None
        routes.write_text("telegram: {'-1': late}\n")

    loads.during = edit_once
    assert answer(await ConfigWatcher(path, loads).fresh()) == "late"


async def test_a_half_written_file_is_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part is valid YAML with fewer routes; none of them is ever in force."""
    monkeypatch.setattr(reload, "SETTLED", 0.5)  # far above the writer's pauses
    monkeypatch.setattr(reload, "PATIENCE", 10)
    watcher = ConfigWatcher(path, partial(load, path))
    await watcher.fresh()
    seen: list[int] = []

    def write_slowly() -> None:
        with path.open("w") as file:
            file.write("profile_routes:\n")
            for number in range(1, 11):
                file.write(f"- {{platform: telegram, chat_id: -{number}, profile: p}}\n")
                file.flush()
                time.sleep(0.01)

    writer = threading.Thread(target=write_slowly)
    writer.start()
    while writer.is_alive():
        seen.append(len((await watcher.fresh()).table))
    writer.join()
    seen.append(len((await watcher.fresh()).table))
    assert set(seen) <= {1, 10}
    assert seen[-1] == 10


async def test_a_file_that_never_rests_does_not_replace_a_good_table(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "PATIENCE", 0.05)
    loads = Loads(path)
    watcher = ConfigWatcher(path, loads)
    await watcher.fresh()
    loads.during = lambda: os.utime(path)
    path.write_text(routes_to("b"))
    assert answer(await watcher.fresh()) == "a"
    assert loads.count == 1 + reload.ATTEMPTS
    loads.during = lambda: None
    assert answer(await watcher.fresh()) == "b"


async def test_the_loop_goes_on_while_a_file_is_read_and_all_messages_get_the_new_table(
    path: Path,
) -> None:
    loads = Loads(path)
    watcher = ConfigWatcher(path, loads)
    await watcher.fresh()
    reading, go_on = anyio.Event(), threading.Event()

    def hold() -> None:
        anyio.from_thread.run_sync(reading.set)
        assert go_on.wait(60)

    loads.during = hold
    path.write_text(routes_to("b"))
    answers: list[str | None] = []

    async def message() -> None:
        answers.append(answer(await watcher.fresh()))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(message)
            await reading.wait()  # would never return if the loop were blocked
            assert answers == []
            go_on.set()
    assert answers == ["b"] * 5
    assert loads.count == 2


async def test_a_fault_of_the_reader_does_not_stop_what_is_in_force(path: Path) -> None:
    loads = Loads(path)
    watcher = ConfigWatcher(path, loads)
    await watcher.fresh()

    def fault() -> None:
        raise ZeroDivisionError

    loads.during = fault
    path.write_text(routes_to("b"))
    assert answer(await watcher.fresh()) == "a"
    assert "ZeroDivisionError" in str(watcher.error)


async def test_asking_costs_a_message_next_to_nothing(path: Path) -> None:
    routes = path.with_name("routes.yaml")
    routes.write_text("telegram: {'-1': b}\n")
    path.write_text("hermes_router: {routes_file: routes.yaml}\n")
    watcher = ConfigWatcher(path, partial(load, path))
    await watcher.fresh()
    times = []
    for _ in range(2000):
        start = time.perf_counter_ns()
        await watcher.fresh()
        times.append(time.perf_counter_ns() - start)
    fastest = statistics.quantiles(times, n=10)[0]  # the others may have had to wait for the CPU
    assert fastest < 15_000 * 3  # 15 us; room for a slow machine
