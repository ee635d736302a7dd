"""Several gateways, one home: job workers of two schedulers that know nothing of each other."""

from __future__ import annotations

import errno
import importlib
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("gateway", reason="needs hermes-agent")

from cron import jobs, scheduler

from hermes_router.config.settings import Jobs, Schedule, Settings
from hermes_router.hermes.features.jobs import JobConversation
from hermes_router.jobs.job_run import JobResult, JobRun, JobSpec
from hermes_router.jobs.maintenance import NOTE
from hermes_router.jobs.scheduler import Member, Scheduler
from hermes_router.profiles.model import Profile
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.ports import TurnServices
from hermes_router.workers.pool import WorkerPool
from hermes_router_worker import json_files
from hermes_router_worker.hermes.cron import cron_lock, cron_run
from hermes_router_worker.hermes.cron.cron_run import BESIDE_JOBS
from hermes_router_worker.hermes.upkeep import chores
from hermes_router_worker.jobs import maintenance
from tests.kit.state.cron_store import CronStore, moment
from tests.kit.waiting import wait_until
from tests.kit.workers.made_up import NoPost

CONFIG = """\
model: {default: kit-model, provider: custom, base_url: "http://127.0.0.1:9/v1", api_key: none,
        context_length: 200000}
security: {tirith_enabled: false}
model_catalog: {enabled: false}
"""
LONG = 90.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile home with nothing in it but a configuration."""
    home = tmp_path / "root" / "profiles" / "career"
    home.mkdir(parents=True)
    (home / "config.yaml").write_text(CONFIG, encoding="utf-8")
    monkeypatch.setenv("HERMES_HOME", str(tmp_path / "root"))
    return home


class Gateway:
    """What a gateway has for the jobs of one profile, without a gateway around it."""

    def __init__(self, home: Path) -> None:
        self._member = Member(Profile("career", home), Settings(jobs=Jobs(upkeep=False)))
        self._host = TurnServices(WorkerPool(dict(os.environ), budget=0), NoPost())
        self.dispatcher = Dispatcher(self._host)
        self.results: list[JobResult] = []
        self.news = anyio.Event()
        self.scheduler = Scheduler(
            self._members, self._run, may_start=lambda: True, schedule=lambda: Schedule(cron=0.1)
        )

    async def _members(self) -> Sequence[Member]:
        return [self._member]

    async def _run(self, member: Member, spec: JobSpec) -> JobResult:
        conversation = JobConversation(member.profile, spec)
        run = JobRun(conversation, spec, member.settings, self._host)
        await self.dispatcher.run_job(run.turn)
        self.results.append(run.result)
        self.news.set()
        return run.result


@asynccontextmanager
async def gateways(home: Path, count: int) -> AsyncIterator[list[Gateway]]:
    """Run schedulers beside each other until the block ends."""
    running = [Gateway(home) for _number in range(count)]
    async with anyio.create_task_group() as tasks:
        for gateway in running:
            tasks.start_soon(gateway.scheduler.serve)
        try:
            yield running
        finally:
            with anyio.CancelScope(shield=True):
                for gateway in running:
                    await gateway.dispatcher.close("the test is over")
            tasks.cancel_scope.cancel()


async def until_ended(running: Sequence[Gateway], count: int) -> list[str]:
    """Wait until so many workers have ended; return their outcomes, sorted."""
    with anyio.fail_after(LONG):
        while len(results := _endings(running)) < count:
            news = running[0].news = running[-1].news = anyio.Event()
            await news.wait()
    return sorted(result.outcome for result in results)


def _endings(running: Sequence[Gateway]) -> list[JobResult]:
    return [result for gateway in running for result in gateway.results]


async def test_of_two_gateways_one_runs_a_job_that_is_due(home: Path, tmp_path: Path) -> None:
    store = CronStore(home)
    code = f"echo begun >> {tmp_path}/runs; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    number = store.add_script("shared", code, due=-5)
    async with gateways(home, 2) as running:
        assert await until_ended(running, 1) == ["busy"]
        (tmp_path / "go").touch()
        assert await until_ended(running, 2) == ["busy", "done"]
    assert (tmp_path / "runs").read_text() == "begun\n"
    assert [run["status"] for run in store.runs(number)] == ["completed"]


async def test_records_that_hermes_repairs_are_repaired_and_the_others_kept(home: Path) -> None:
    store = CronStore(home)
    sound = store.add("sound", due=3600, note="mine")
    broken = store.add_script("broken", "true", due=3600)
    records: list[dict[str, Any]] = store.jobs()
    records[1] = {key: value for key, value in records[1].items() if key != "id"}
    records[1]["next_run_at"] = records[0]["created_at"]
    store.path.write_text(json.dumps(records))  # a bare list, and a job without an id
    async with gateways(home, 1) as running:
        assert await until_ended(running, 1) == ["done"]
    after = store.jobs()
    assert [job["name"] for job in after] == ["sound", "broken"]
    assert after[0] == records[0]
    assert after[0]["id"] == sound
    assert after[1]["id"] not in {"", None, broken}
    assert after[1]["last_status"] == "ok"


async def test_a_one_time_job_that_somebody_runs_by_hand_is_left_alone(home: Path) -> None:
    store = CronStore(home)
    claim = {"at": moment(-5), "by": "a person"}
    number = store.add_script("by hand", "true", due=-9, kind="once", fire_claim=claim)
    async with gateways(home, 1) as running:
        assert await until_ended(running, 1) == ["not_due"]
    assert store.runs(number) == []
    job = store.job(number)
    assert job is not None
    assert job["fire_claim"] == claim


async def test_a_run_that_died_is_left_to_the_maintenance_which_tells_of_it(home: Path) -> None:
    store = CronStore(home)
    async with gateways(home, 1) as running:
        store.add_script("first", "true", due=-5)  # it makes the ledger
        assert await until_ended(running, 1) == ["done"]
        died = store.add_script("died", "true", due=3600)
        store.claim(died)
        store.add_script("next", "true", due=-5)
        assert await until_ended(running, 2) == ["done", "done"]
    assert [run["status"] for run in store.runs(died)] == ["claimed"]


def result_for_bot_chat(home: Path, target: Path) -> Path:
    """Leave a result as Hermes does that has to wait, for the Bot Chat of the home ``target``."""
    job = {"id": "0123", "name": "report"}
    record = {"id": "r", "status": "queued", "job": job, "content": "a result", "profile": ""}
    path = home / "cron" / "bot_chat_pending" / "r.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(record | {"home": str(target), "sequence": 1}))
    return path


def status_of(record: Path) -> str:
    return str(json.loads(record.read_text())["status"])


async def test_a_result_that_waits_for_bot_chat_is_left_to_a_maintenance_soon(
    home: Path, tmp_path: Path
) -> None:
    record = result_for_bot_chat(home, tmp_path / "gone")
    note = home.joinpath(*NOTE)
    note.parent.mkdir()
    note.write_text(json.dumps({"at": time.time(), "next": None, "patience": 86400.0}))
    CronStore(home).add_script("job", "true", due=-5)
    async with gateways(home, 1) as running:
        assert await until_ended(running, 1) == ["done"]
    assert status_of(record) == "queued"
    assert json.loads(note.read_text())["next"] < time.time() + 600


def test_a_job_without_such_a_result_hastens_no_maintenance(home: Path, tmp_path: Path) -> None:
    record, note = result_for_bot_chat(home, tmp_path / "gone"), home.joinpath(*NOTE)
    maintenance.hasten(home)
    assert not note.exists()  # it is due soon without a note
    note.parent.mkdir()
    for soon in (True, False):
        note.write_text(json.dumps({"at": 1.0, "next": 2.0 if soon else None}))
        before = note.read_text()
        if not soon:
            record.unlink()
        maintenance.hasten(home)
        assert note.read_text() == before


def test_a_note_that_cannot_be_written_costs_no_job(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    result_for_bot_chat(home, tmp_path / "gone")
    note = home.joinpath(*NOTE)
    note.parent.mkdir()
    note.write_text(json.dumps({"at": 1.0, "next": None}))
    monkeypatch.setattr(json_files, "write", full)
    maintenance.hasten(home)
    assert "no space left" in caplog.text


@pytest.mark.skipif(not hasattr(scheduler, BESIDE_JOBS[1][1]), reason="since Hermes 0.21")
def test_what_a_tick_does_beside_the_jobs_is_done_by_a_maintenance(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERMES_HOME", str(home))
    monkeypatch.setattr(scheduler, "_last_worktree_maintenance_at", None)
    record = result_for_bot_chat(home, tmp_path / "gone")

    def pruned() -> bool:
        return scheduler._last_worktree_maintenance_at is not None

    with cron_run._left_to_maintenance():
        scheduler.tick(verbose=False, sync=False)
        assert not chores.going_on()
        assert not pruned()
    assert status_of(record) == "queued"
    with monkeypatch.context() as paused:
        paused.setattr(cron_run, "paused", lambda: True)
        assert chores.work_beside_jobs() == 1
        assert not chores.going_on()
        assert not pruned()
    assert chores.work_beside_jobs() == 1
    assert pruned()
    wait_until(lambda: not chores.going_on(), seconds=LONG)
    assert status_of(record) == "ambiguous"  # Hermes has tried: that home does not exist
    assert chores.work_beside_jobs() == 0


def test_a_thread_that_reads_the_store_during_a_look_costs_no_record(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hermes's tick starts such a thread; a save between its two ends is to keep all records."""
    jobs = importlib.import_module("cron.jobs")
    load, reads, go_on = jobs.load_jobs, threading.Event(), threading.Event()

    def slowly() -> list[dict[str, Any]]:
        if threading.current_thread() is reader:
            reads.set()
            assert go_on.wait(60)
        return list(load())

    seen: list[list[dict[str, Any]]] = []
    reader = threading.Thread(target=lambda: seen.append(jobs.load_jobs()))
    monkeypatch.setenv("HERMES_HOME", str(home))
    monkeypatch.setattr(jobs, "load_jobs", slowly)
    store = CronStore(home)
    numbers = [store.add(name, due=3600) for name in ("looked-for", "other")]
    with jobs._jobs_lock(), cron_run._only(numbers[0]):
        reader.start()
        assert reads.wait(60)
        records = jobs.load_jobs()
        assert [record["id"] for record in records] == numbers[:1]
        jobs.save_jobs([record | {"note": "looked"} for record in records])
        go_on.set()
        reader.join(60)
    assert [(job["id"], job.get("note")) for job in store.jobs()] == [
        (numbers[0], "looked"),
        (numbers[1], None),
    ]
    assert [record["id"] for record in seen[0]] == numbers
    assert jobs.load_jobs is slowly
    assert jobs.save_jobs.__name__ == "save_jobs"


@pytest.mark.parametrize(
    "text", ["2026-01-15T08:30:00", "2026-01-15T08:30:00+05:30", "2026-01-15T08:30:00.5Z"]
)
def test_a_time_of_a_job_is_read_as_hermes_reads_it(text: str) -> None:
    assert cron_lock.time_of(text) == jobs._ensure_aware(datetime.fromisoformat(text))
