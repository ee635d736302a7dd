"""`CronStore`: the cron jobs of a home, written and read as Hermes keeps them.

A test makes a job due by moving its times, never by waiting for them.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.kit.waiting import wait_until

_TICK = 0.02

Job = dict[str, Any]

BLOCKING = """echo "begun $PPID" >> {folder}/runs
while [ ! -e {folder}/go ]; do sleep 0.05; done
"""
"""A job's script that runs until there is a file ``go`` beside it."""


def moment(seconds: float = 0.0) -> str:
    """Return the time so many seconds from now as Hermes writes it."""
    return (datetime.now(UTC).astimezone() + timedelta(seconds=seconds)).isoformat()


def _full_hour(text: str) -> str:
    return datetime.fromisoformat(text).replace(minute=0, second=0, microsecond=0).isoformat()


class CronStore:
    """The jobs and the ledger of runs of one Hermes home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "cron" / "jobs.json"
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, *, due: float, kind: str = "interval", **fields: Any) -> str:
        """Add a job that is due in so many seconds (negative: was due); return its id.

        `kind` is `interval` (each hour), `cron` (at each full hour) or `once`. One by `cron` is due
        at the full hour before that: Hermes 0.22 runs it at no other time.
        """
        number = uuid.uuid4().hex[:12]
        kinds: Job = {"interval": {"minutes": 60}, "cron": {"expr": "0 * * * *"}}
        job: Job = {
            "id": number,
            "name": name,
            "prompt": f"do {name}",
            "schedule": {"kind": kind, "display": kind} | kinds.get(kind, {"run_at": moment(due)}),
            "repeat": {"times": 1 if kind == "once" else None, "completed": 0},
            "enabled": True,
            "state": "scheduled",
            "deliver": "local",
            "created_at": moment(),
            "next_run_at": _full_hour(moment(due)) if kind == "cron" else moment(due),
            "last_run_at": None,
        }
        with self._locked() as jobs:
            jobs.append(job | fields)
        return number

    def add_script(self, name: str, code: str, *, due: float, **fields: Any) -> str:
        """Add a job that runs a script of its own and asks no model."""
        folder = self.home / "scripts"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.sh").write_text(code, "utf-8")
        return self.add(name, due=due, script=f"{name}.sh", no_agent=True, **fields)

    def move(self, number: str, due: float, **fields: Any) -> None:
        """Make a job due in so many seconds (negative: it was due), and set ``fields`` of it."""
        with self._locked() as jobs:
            for job in jobs:
                if job["id"] == number:
                    job.update(next_run_at=moment(due), **fields)

    def claim(self, number: str) -> None:
        """Add a run of a job to the ledger that was claimed by a dead process and has not begun."""
        query = "INSERT INTO executions"
        query += " (id, job_id, source, process_id, pid, process_started_at, status, claimed_at)"
        query += " VALUES (?, ?, 'builtin', 'gone', ?, 1, 'claimed', ?)"
        path = self.path.parent / "executions.db"
        with closing(sqlite3.connect(path, timeout=10)) as ledger, ledger:
            ledger.execute(query, (uuid.uuid4().hex, number, 2**22 + 1, moment(-300)))

    def remove(self, number: str) -> None:
        """Take a job out of the store."""
        with self._locked() as jobs:
            jobs[:] = [job for job in jobs if job["id"] != number]

    def jobs(self) -> list[Job]:
        """Return all jobs."""
        return list(json.loads(self.path.read_text("utf-8"))["jobs"]) if self.path.exists() else []

    def job(self, number: str) -> Job | None:
        """Return one job, or None when it is gone."""
        return next((job for job in self.jobs() if job["id"] == number), None)

    def runs(self, number: str) -> list[Job]:
        """Return the ledger's rows of a job, oldest first.

        From 0.22 on a Hermes that finds the job run by another one leaves a row of its own: those
        are no runs.
        """
        path = self.path.parent / "executions.db"
        if not path.exists():
            return []
        query = "SELECT * FROM executions WHERE job_id=? AND"
        query += " coalesce(error, '') NOT LIKE '%execution was not started%' ORDER BY claimed_at"
        with closing(sqlite3.connect(path, timeout=10)) as ledger:
            ledger.row_factory = sqlite3.Row
            made = ledger.execute("SELECT 1 FROM sqlite_master WHERE name='executions'").fetchone()
            return [dict(row) for row in ledger.execute(query, (number,))] if made else []

    def over(self, number: str) -> bool:
        """Return True if a one-time job has ended: it is gone, or still kept, from 0.22 on."""
        job = self.job(number)
        return job is None or (not job["enabled"] and job["state"] == "completed")

    def wait_run(self, number: str, count: int = 1, timeout: float = 150.0) -> list[Job]:
        """Wait until so many runs of a job have ended, and no one has claimed it; return its runs.

        After ``timeout`` seconds without that, TimeoutError is raised.
        """
        deadline = time.monotonic() + timeout
        while True:
            runs = self.runs(number)
            job = self.job(number)
            ended = [run for run in runs if run["status"] in {"completed", "failed", "unknown"}]
            if len(ended) >= count and (job is None or not job.get("fire_claim")):
                return runs
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(ended)} of {count} runs of {number}: {runs} {job}")
            time.sleep(_TICK)

    @contextmanager
    def _locked(self) -> Iterator[list[Job]]:
        """Change the store under Hermes's own lock of it."""
        with (self.path.parent / ".jobs.lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            jobs = self.jobs()
            yield jobs
            fresh = self.path.with_suffix(".kit")
            fresh.write_text(json.dumps({"jobs": jobs, "updated_at": moment()}), "utf-8")
            fresh.replace(self.path)


def begun(folder: Path) -> str:
    """Return what the script BLOCKING has written, a line for each run; empty if none has begun."""
    path = folder / "runs"
    return path.read_text() if path.exists() else ""


@contextmanager
def running_job(cron: CronStore, folder: Path, **fields: Any) -> Iterator[tuple[str, int]]:
    """Add a due job that runs until the end of the block; wait until a gateway has begun it.

    Yields the job's id, and the id of the process that started its script.
    """
    number = cron.add_script("long", BLOCKING.format(folder=folder), due=-5, **fields)
    try:
        wait_until(lambda: begun(folder) != "")
        yield number, int(begun(folder).split()[1])
    finally:
        (folder / "go").touch()
