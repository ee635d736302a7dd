"""Starting job workers: what is due, how many at once, and what is tried again."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.from_thread
import pytest

from hermes_router.config.settings import Jobs, Schedule, Settings
from hermes_router.jobs import maintenance, scheduler
from hermes_router.jobs.job_run import JobResult, JobSpec
from hermes_router.jobs.scheduler import Member, Scheduler
from hermes_router.profiles.model import Profile
from tests.kit.state.ledger import obligations

LONG = 60.0


class Place:
    """A profile, a scheduler that looks after it, and what it started."""

    def __init__(self, home: Path, jobs: Jobs) -> None:
        self.profile: Profile = Profile("kids", home)
        self.member = Member(self.profile, Settings(jobs=jobs))
        self.started: list[JobSpec] = []
        self.allowed = True
        self.result = JobResult("done", begun=True)
        self.gate = anyio.Event()
        self._news = anyio.Event()
        self.scheduler = Scheduler(
            self._members,
            self._run,
            may_start=lambda: self.allowed,
            schedule=lambda: Schedule(cron=0.05),
        )

    async def _members(self) -> Sequence[Member]:
        return [self.member]

    async def _run(self, member: Member, spec: JobSpec) -> JobResult:
        assert member is self.member
        self.started.append(spec)
        self._news.set()
        await self.gate.wait()
        return self.result

    def write(self, **due: float) -> None:
        """Write a store of jobs that are due in so many seconds."""
        path = self.profile.home / "cron" / "jobs.json"
        path.parent.mkdir(exist_ok=True)
        jobs = [
            {
                "id": name,
                "schedule": {"kind": "interval", "minutes": 9},
                "next_run_at": datetime.fromtimestamp(time.time() + seconds, UTC).isoformat(),
            }
            for name, seconds in due.items()
        ]
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps({"jobs": jobs}))
        fresh.replace(path)

    async def until_started(self, count: int) -> list[str]:
        """Wait until so many jobs were started; return their ids."""
        with anyio.fail_after(LONG):
            while len(self.started) < count:
                self._news = anyio.Event()
                await self._news.wait()
        return [spec.id for spec in self.started]


@asynccontextmanager
async def served(home: Path, jobs: Jobs | None = None) -> AsyncIterator[Place]:
    place = Place(home, jobs or Jobs(upkeep=False))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(place.scheduler.serve)
        yield place
        place.gate.set()
        tasks.cancel_scope.cancel()


async def looked(place: Place) -> None:
    """Wait until the scheduler has looked again, whatever it was waiting for."""
    seen, members = anyio.Event(), place.scheduler._members

    async def note() -> Sequence[Member]:
        found = await members()
        seen.set()
        return found

    for _look in range(2):  # the first may have begun before what the test did
        seen = anyio.Event()
        place.scheduler._members = note
        with anyio.fail_after(LONG):
            await seen.wait()
    place.scheduler._members = members


async def test_a_job_is_started_when_it_is_due_and_once_while_it_runs(tmp_path: Path) -> None:
    async with served(tmp_path) as place:
        place.write(now=-5, soon=0.4, later=3600)
        assert await place.until_started(2) == ["now", "soon"]
        await looked(place)
        assert len(place.started) == 2


async def test_a_job_that_is_due_again_is_started_again(tmp_path: Path) -> None:
    async with served(tmp_path) as place:
        place.gate.set()
        place.write(a=-5)
        await place.until_started(1)
        place.write(a=-4)
        assert await place.until_started(2) == ["a", "a"]


async def test_no_more_jobs_run_at_once_than_the_profile_may(tmp_path: Path) -> None:
    async with served(tmp_path, Jobs(concurrent=2, upkeep=False)) as place:
        place.write(a=-5, b=-4, c=-3)
        assert await place.until_started(2) == ["a", "b"]
        await looked(place)
        assert len(place.started) == 2
        place.gate.set()
        assert (await place.until_started(3))[2] == "c"


@pytest.mark.parametrize(
    "files",
    [
        {"config.yaml": "cron: {max_parallel_jobs: 1}"},
        {
            ".env": "A=b\nHERMES_CRON_MAX_PARALLEL=1\n",
            "config.yaml": "cron: {max_parallel_jobs: 5}",
        },
        {".env": "HERMES_CRON_MAX_PARALLEL=many\n", "config.yaml": "cron: {max_parallel_jobs: 1}"},
    ],
)
async def test_no_more_jobs_run_at_once_than_the_profile_itself_wants(
    tmp_path: Path, files: dict[str, str]
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    async with served(tmp_path) as place:
        place.write(a=-5, b=-4)
        assert await place.until_started(1) == ["a"]
        await looked(place)
        assert len(place.started) == 1
        place.gate.set()
        assert (await place.until_started(2))[1] == "b"


@pytest.mark.parametrize("outcome", ["not_due", "busy", "done", "failed"])
async def test_a_job_that_was_left_untouched_rests_until_something_changes(
    tmp_path: Path, outcome: str
) -> None:
    async with served(tmp_path) as place:
        place.result = JobResult(outcome)  # type: ignore[arg-type]
        place.gate.set()
        place.write(a=-5)
        await place.until_started(1)
        await looked(place)
        await looked(place)
        assert len(place.started) == 1
        place.write(a=-4)
        await place.until_started(2)


async def test_a_worker_that_dies_before_it_begins_is_not_tried_again_at_once(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as place:
        place.result = JobResult("died", "SIGSEGV")
        place.gate.set()
        place.write(a=-5)
        await place.until_started(1)
        await looked(place)
        await looked(place)
        assert len(place.started) == 1


async def test_a_job_that_had_begun_when_its_worker_died_is_recorded_as_lost(
    tmp_path: Path,
) -> None:
    async with served(tmp_path) as place:
        place.result = JobResult("died", "the worker ended with SIGKILL", begun=True)
        place.gate.set()
        place.write(a=-5)
        await place.until_started(2)
        assert [spec.lost for spec in place.started[:2]] == [
            None,
            "the worker ended with SIGKILL",
        ]


async def test_nothing_is_started_while_the_gateway_drains(tmp_path: Path) -> None:
    async with served(tmp_path) as place:
        place.allowed = False
        place.write(a=-5)
        with anyio.move_on_after(0.5):
            await place.until_started(1)
        assert place.started == []
        place.allowed = True
        await place.until_started(1)


async def test_a_profile_may_have_no_cron_here(tmp_path: Path) -> None:
    async with served(tmp_path, Jobs(cron=False, upkeep=False)) as place:
        place.write(a=-5)
        await looked(place)
        await looked(place)
        assert place.started == []


async def test_a_store_that_cannot_be_read_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(tmp_path) as place:
        store = tmp_path / "cron" / "jobs.json"
        store.parent.mkdir()
        store.write_text("{")
        await looked(place)
        await looked(place)
        assert caplog.text.count("cron jobs cannot be read") == 1
        place.write(a=-5)
        await place.until_started(1)


async def test_what_a_dead_process_owes_gets_an_upkeep_once(tmp_path: Path) -> None:
    obligations(tmp_path, "attempting")
    async with served(tmp_path, Jobs()) as place:
        place.gate.set()
        await place.until_started(1)
        assert place.started[0].kind == "upkeep"
        await looked(place)
        await looked(place)
        assert len(place.started) == 1
        place.scheduler.nudge(place.profile)
        await place.until_started(2)


async def test_a_reply_that_the_platform_refuses_gets_an_upkeep(tmp_path: Path) -> None:
    """The worker that could not send it ended in good order, and nobody else hears of it."""
    obligations(tmp_path, "delivered")
    async with served(tmp_path, Jobs()) as place:
        place.gate.set()
        await looked(place)
        assert place.started == []
        long_ago = time.time() - 40
        with closing(sqlite3.connect(tmp_path / "state.db")) as database, database:
            row = "UPDATE delivery_obligations SET state = 'failed', updated_at = ?"
            database.execute(row, (long_ago,))
        await place.until_started(1)
        assert place.started[0].kind == "upkeep"


async def test_an_upkeep_that_did_not_come_to_its_end_is_made_again(tmp_path: Path) -> None:
    obligations(tmp_path, "attempting")
    note = tmp_path.joinpath(*maintenance.NOTE)
    note.parent.mkdir()
    note.write_text(json.dumps({"at": time.time()}))
    async with served(tmp_path, Jobs()) as place:
        place.scheduler._schedule = lambda: Schedule(cron=0.05, upkeep=0.1)
        place.result = JobResult("died")
        place.gate.set()
        await place.until_started(2)


async def test_a_worker_that_is_cut_off_during_an_upkeep_gets_another_one(tmp_path: Path) -> None:
    """The first may have looked for unsent replies before that worker left one."""
    obligations(tmp_path, "attempting")
    async with served(tmp_path, Jobs()) as place:
        await place.until_started(1)
        place.scheduler.nudge(place.profile)
        place.gate.set()
        await place.until_started(2)


async def test_a_worker_that_is_cut_off_during_a_look_starts_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []

    def has_unfinished_work(home: Path) -> bool:
        looks.append(home)
        if len(looks) == 1:  # the worker left its reply just after this query
            anyio.from_thread.run_sync(place.scheduler.nudge, place.profile)
        return len(looks) > 1

    monkeypatch.setattr(maintenance, "has_unfinished_work", has_unfinished_work)
    async with served(tmp_path, Jobs()) as place:
        place.scheduler._schedule = lambda: Schedule(cron=3600.0)
        place.gate.set()
        assert await place.until_started(1) == [""]
    assert looks == [tmp_path] * 2


async def test_a_used_home_gets_its_upkeep_when_it_is_quiet(tmp_path: Path) -> None:
    state = tmp_path / "state.db"
    state.touch()
    async with served(tmp_path, Jobs()) as place:
        await looked(place)
        assert place.started == []
        place.gate.set()
        long_ago = time.time() - 400
        os.utime(state, (long_ago, long_ago))
        await place.until_started(1)
        await looked(place)
        await looked(place)
        assert len(place.started) == 1


@pytest.mark.parametrize("what", ["cron", "upkeep", "change"])
async def test_a_clock_that_was_ahead_keeps_nothing_waiting_when_it_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    ahead = time.time() + 3 * 24 * 3600
    if what == "upkeep":
        obligations(tmp_path, "attempting")
    monkeypatch.setattr(scheduler, "_FIRST_RETRY", 0.1)
    async with served(tmp_path, Jobs(upkeep=what != "cron")) as place:
        place.scheduler._schedule = lambda: Schedule(cron=0.05, upkeep=0.1)
        place.result = JobResult("died")
        place.gate.set()
        with monkeypatch.context() as wrong:
            wrong.setattr(time, "time", lambda: ahead)
            if what == "cron":
                place.write(a=-3 * 24 * 3600 - 5)
            if what == "change":
                (tmp_path / "state.db").touch()
            await place.until_started(1)
            await looked(place)
        if what == "change":
            note = tmp_path.joinpath(*maintenance.NOTE)
            note.parent.mkdir()
            note.write_text(json.dumps({"at": ahead, "next": ahead + 3600}))
            os.utime(tmp_path / "state.db", (ahead, ahead))
        count = len(place.started)
        with anyio.fail_after(10):
            await place.until_started(count + 1)
