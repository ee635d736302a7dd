"""Keep two processes from running one cron job at once.

Hermes's own check works inside one process. Between processes, there are three:

- A job worker, of any gateway, holds a lock of the job in the home while it runs the job. The
  kernel releases the lock when the process ends, however it ends.
- A Hermes without this code (the profile's own gateway, ``hermes cron run``) leaves a row with its
  process id in the ledger of executions. While that process lives, a job worker waits.
- In the other direction, a job worker keeps the job's record in a state that Hermes leaves alone:
  claimed, and not due for a while. When the run ends, Hermes computes the next due time again. If
  the process dies, at most one due time is lost.

Since 0.20, Hermes does the third itself: the process that runs a job holds its claim in the store.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import logging
import os
import threading
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hermes_router.protocol.files.lock import try_lock

logger = logging.getLogger(__name__)

FOLDER = ("hermes-router", "jobs")

#: Seconds between two updates of a running job's record, and the distance of its next due time. The
#: distance is longer than one pause, so that the job never looks due in between.
_LOOK_SECONDS = 10.0
_DISTANCE_SECONDS = 45.0

#: Seconds for which Hermes treats the claim of a run by hand as fresh.
_CLAIM_SECONDS = 300.0

#: Seconds to try for a job's lock: a gateway may hold it for the moment of a look.
_LOCK_SECONDS = 0.5

#: States of an execution that has not ended, as Hermes's ledger names them.
_OPEN = frozenset({"claimed", "running"})


def hermes_claims() -> bool:
    """Return True if Hermes itself keeps a running job from being run twice (since 0.20)."""
    return hasattr(importlib.import_module("cron.jobs"), "heartbeat_fire_claim")


@contextlib.contextmanager
def alone(home: Path, job_id: str) -> Iterator[bool]:
    """Hold the lock of a job while the block runs; yield False if another process has it.

    Maintenance of the home takes a lock of this kind too, under a name in place of a job's id. The
    caller must do nothing if it got False.

    Raises:
        OSError: the lock file cannot be made.
    """
    folder = home.joinpath(*FOLDER)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = hashlib.sha256(job_id.encode()).hexdigest()[:32]
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield try_lock(descriptor, _LOCK_SECONDS, pause=0.05)
    finally:
        os.close(descriptor)


def sign_as_this_process() -> None:
    """Give this process a name of its own in Hermes's ledger of executions.

    A job worker calls it before its job. Hermes makes the name when it is imported: without this,
    all workers of one template would have the same name and treat each other's runs as their own.
    """
    executions: Any = importlib.import_module("cron.executions")
    executions._PROCESS_ID = uuid.uuid4().hex


def runs_elsewhere(job_id: str) -> int | None:
    """Return the process id of another Hermes that runs this cron job now, or None.

    A job worker asks before it runs the job: a Hermes without the router holds no lock of it.
    Hermes's ledger of executions says so.
    """
    from cron import executions

    for row in executions.list_executions(job_id=job_id, limit=20):
        pid = int(row["pid"])
        if row["status"] in _OPEN and pid != os.getpid() and _lives(executions, row):
            return pid
    return None


def _lives(executions: Any, row: Any) -> bool:
    return bool(executions._owner_is_live(int(row["pid"]), row["process_started_at"]))


def is_fired_by_hand(record: dict[str, Any]) -> bool:
    """Return True if a person has just had a one-time job run now (``hermes cron run``).

    The job worker then leaves the job to that process. A recurring job with such a claim is not due
    any more; a one-time job looks as before.
    """
    from hermes_time import now

    claim = record.get("fire_claim")
    if record["schedule"].get("kind") != "once" or not isinstance(claim, dict):
        return False
    try:
        age = now() - time_of(claim["at"])
    except (KeyError, TypeError, ValueError):
        return False
    return bool(0 <= age.total_seconds() < _CLAIM_SECONDS)


@contextlib.contextmanager
def kept_from_others(job_id: str, last_run: object) -> Iterator[None]:
    """Keep every other Hermes from running a job while the block runs.

    A thread renews the claim in the job's record. ``last_run`` is the record's ``last_run_at`` from
    before: Hermes writes it when the run ends. Nothing is done if Hermes claims the job itself.
    """
    if hermes_claims():
        yield
        return
    done = threading.Event()

    def keep() -> None:
        while not done.is_set():
            with contextlib.suppress(Exception):  # the next round tries again
                keep_off(job_id, last_run)
            done.wait(_LOOK_SECONDS)

    thread = threading.Thread(target=keep, name=f"hermes-router-keep-{job_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()


def keep_off(job_id: str, last_run: object) -> None:
    """Change a running job's record so that no other Hermes runs the job.

    The next due time moves into the future, and the claim is renewed. Once the run has ended, the
    record stays as Hermes wrote it. Nothing is done if Hermes claims the job itself: it would not
    get its own claim then.
    """
    if hermes_claims():
        return
    from cron import jobs
    from hermes_time import now

    with jobs._jobs_lock():
        records = jobs.load_jobs()
        record = next((record for record in records if record.get("id") == job_id), None)
        if record is None or record.get("last_run_at") != last_run:
            return
        begun = now()
        record["fire_claim"] = {"at": begun.isoformat(), "by": jobs._machine_id()}
        horizon = begun + timedelta(seconds=_DISTANCE_SECONDS)
        if record["schedule"].get("kind") in {"cron", "interval"}:
            _move(jobs, record, horizon)
        jobs.save_jobs(records)


def _move(jobs: Any, record: dict[str, Any], horizon: Any) -> None:
    planned = record.get("next_run_at")
    if planned and time_of(planned) > horizon:
        return
    later = jobs.compute_next_run(record["schedule"], horizon.isoformat())
    if later:
        record["next_run_at"] = later


def time_of(text: str) -> datetime:
    """Return a time that Hermes has written; without a zone it is the machine's local time.

    Raises:
        ValueError: the text is no time.
    """
    return datetime.fromisoformat(text).astimezone()
