"""What is printed before a supervisor runs stands in the worker log like all that follows."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from hermes_router.base.errors import WorkerStartError
from hermes_router.base.tasks import in_thread
from hermes_router.config.settings import Settings
from hermes_router.observe.log_lines import entries
from hermes_router.profiles.model import Profile
from hermes_router.workers import launchers, pool
from hermes_router.workers.launchers import bubblewrap, local
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.process import WorkerOrder, start_worker
from hermes_router.workers.starts import start_output
from hermes_router.workers.template import Template
from tests.kit.waiting import wait_until
from tests.kit.workers.made_up import QUICK, Scene, command, serve

TURN = "1f0c2a9b"
NO_SANDBOX = launchers.check("bubblewrap")
SAYS_TWO = "import os; os.write(2, b'first \\x1b[31m\\nsecond, without an end'); os._exit(3)"


def python(code: str) -> list[str]:
    return [sys.executable, "-P", "-S", "-c", code]


def start_with(line: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the launcher `local` start this command line."""
    monkeypatch.setattr(local, "command", lambda _spec: list(line))


def order_for(profile: Profile, settings: Settings = QUICK, turn: str = TURN) -> WorkerOrder:
    order = WorkerPool(dict(os.environ), budget=0).order(profile, settings)
    return WorkerOrder(**{name: getattr(order, name) for name in order.__slots__} | {"turn": turn})


def logged(profile: Profile) -> list[str]:
    return (profile.logs / "hermes-router-worker.log").read_text().splitlines()


async def all_passed_on() -> None:
    """Wait until no process can print any more that was started."""
    with anyio.fail_after(30):
        await asyncio.gather(*start_output._tasks)


def texts(profile: Profile, turn: str) -> list[str]:
    """Return what was printed, without the heads, all of which must have the turn's id."""
    head = re.compile(rf"\d{{4}}-\d\d-\d\dT\S+ {turn} (.*)")
    matches = [head.fullmatch(line) for line in logged(profile)]
    assert all(matches), logged(profile)
    return [match[1] for match in matches if match is not None]


async def test_what_a_process_without_a_supervisor_says_has_its_time_and_turn(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_with(python(SAYS_TWO), monkeypatch)
    assert await (await start_worker(order_for(profile))).end(patience=10) == 3
    await all_passed_on()
    assert texts(profile, TURN) == [r"first \x1b[31m", "second, without an end"]
    found = list(entries(logged(profile), "worker", "career"))
    assert [(entry.turn, len(entry.lines)) for entry in found] == [(TURN, 1)] * 2


async def test_a_log_of_objects_has_objects_for_it_too(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_with(python(SAYS_TWO), monkeypatch)
    settings = replace(QUICK, log=replace(QUICK.log, format="json"))
    await (await start_worker(order_for(profile, settings))).end(patience=10)
    await all_passed_on()
    found = [json.loads(line) for line in logged(profile)]
    assert [(line["turn"], line["text"]) for line in found] == [
        (TURN, r"first \x1b[31m"),
        (TURN, "second, without an end"),
    ]


async def test_a_supervisor_takes_over(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway then passes on nothing more, although the worker goes on."""
    before = "import os; os.write(2, b'before\\n')\n"
    after = "os.write(2, b'after\\n'); assert 'HERMES_ROUTER_LOG_DESCRIPTOR' not in os.environ\n"
    line = command(f"{after}os.write(1, b'x'); os.read(0, 1)")
    start_with([*line[:-1], before + line[-1]], monkeypatch)
    worker = await start_worker(order_for(profile))
    with anyio.fail_after(30):
        await anyio.wait_readable(worker._child.inbound)
    await all_passed_on()
    assert not worker.ended
    assert await worker.end(patience=10) == 0
    assert texts(profile, rf"(?:{TURN}|-)") == ["before", "after"]
    assert f" {TURN} before" in logged(profile)[0]
    assert " - after" in logged(profile)[1]


async def test_why_a_turn_could_not_start_is_found_by_its_id(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_with([sys.executable, "-P", "-m", "a_module_that_is_absent"], monkeypatch)
    monkeypatch.setattr(pool, "launcher", lambda _name: local.launch)
    turn = await serve(Scene(profile))
    await all_passed_on()
    assert turn.failure is not None
    found = list(entries(logged(profile), "worker", "career"))
    assert {entry.turn for entry in found} == {turn.id}
    assert sum("No module named a_module" in entry.first_line for entry in found) == 1


async def test_a_template_has_no_turn(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    start_with(python(SAYS_TWO), monkeypatch)
    with pytest.raises(WorkerStartError):
        await Template.start(order_for(profile))
    await all_passed_on()
    assert texts(profile, "-") == [r"first \x1b[31m", "second, without an end"]


async def test_why_there_is_no_sandbox_has_its_time_and_turn(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bwrap"
    program.write_text('#!/bin/sh\necho "bwrap: Can\'t mkdir /x" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(bubblewrap, "check", lambda: None)
    with pytest.raises(WorkerStartError):
        await start_worker(order_for(profile, Settings(launcher="bubblewrap")))
    await all_passed_on()
    await launchers.close()
    assert texts(profile, TURN) == ["bwrap: Can't mkdir /x"]


@pytest.mark.skipif(NO_SANDBOX is not None, reason=f"NOT SHOWN: {NO_SANDBOX}")
async def test_what_a_process_in_a_sandbox_says_has_its_time_and_turn(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launchers, "command", lambda _spec: python(SAYS_TWO))
    worker = await start_worker(order_for(profile, Settings(launcher="bubblewrap")))
    assert await worker.end(patience=10) == 3
    await launchers.close()
    await all_passed_on()
    assert texts(profile, TURN) == [r"first \x1b[31m", "second, without an end"]


async def test_a_start_that_fails_for_want_of_descriptors_keeps_none(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left() -> tuple[int, int]:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async def start() -> int:
        """Start a worker and end it; return how many descriptors are left."""
        worker = await start_worker(order_for(profile))
        await worker.end(patience=10)
        await all_passed_on()
        return len(os.listdir(f"/proc/{os.getpid()}/fd"))

    start_with(python(SAYS_TWO), monkeypatch)
    before = await start()
    with monkeypatch.context() as patched:
        patched.setattr(os, "pipe", none_left)
        with pytest.raises(WorkerStartError, match="Too many open files"):
            await start()
    assert await start() == before


@pytest.mark.parametrize("as_json", [False, True], ids=["plain", "json"])
@pytest.mark.parametrize("printed", [r"b'x' * 999 + b'\n'", r"b'\n' * 999", r"b'\x1b' * 999"])
async def test_a_flood_leaves_the_gateway_its_time(
    profile: Profile, monkeypatch: pytest.MonkeyPatch, printed: str, *, as_json: bool
) -> None:
    start_with(python(f"import os\nwhile True: os.write(2, {printed})"), monkeypatch)
    settings = replace(QUICK, log=replace(QUICK.log, format="json" if as_json else "text"))
    worker = await start_worker(order_for(profile, settings))
    log = profile.logs / "hermes-router-worker.log"
    await in_thread(wait_until, lambda: log.stat().st_size > 1_000_000, 30)
    begun, busy, size = time.monotonic(), time.process_time(), log.stat().st_size
    await anyio.sleep(1.0)
    seconds = time.monotonic() - begun
    assert time.process_time() - busy < 0.3 * seconds
    assert log.stat().st_size - size < 6_000_000 * seconds
    await worker.end()
    await all_passed_on()
