"""No cron job runs twice at once, whoever starts it.

Hermes's own guard lives in one process. Between processes there are three:

- job workers, of whatever gateway, hold a lock of the job in the home while they run it. The kernel
  lets go of it when the process ends, however it ends;
- a Hermes without this code (the profile's own gateway, ``hermes cron run``) leaves a row in the
  ledger of executions, with its process id: while that process lives, a job worker waits;
- the other way round, a job worker keeps the job's record in the state by which Hermes itself
  leaves it alone: not due for a while yet, and claimed. What it was before, Hermes computes anew
  when the run ends; when the process dies, at most one due time is lost.

From 0.20 on Hermes does the third itself: who runs a job holds its claim in the store.
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
from datetime import timedelta
from pathlib import Path
from typing import Any

from hermes_router.protocol.files.lock import try_lock

logger = logging.getLogger(__name__)

FOLDER = ("hermes-router", "jobs")

#: Seconds between two looks at the record of a job that runs, and how far off its due time is kept.
#: The distance is more than one look, so that nobody finds the job due in between.
_LOOK_SECONDS = 10.0
_DISTANCE_SECONDS = 45.0

#: How long Hermes takes the claim of a run by hand for fresh.
_CLAIM_SECONDS = 300.0

#: How long a job's lock is tried: a gateway may hold it for the moment of a look.
_LOCK_SECONDS = 0.5

#: States of an execution that has not ended, as Hermes's ledger names them.
_OPEN = frozenset({"claimed", "running"})


def hermes_claims() -> bool:
    """Say whether Hermes itself keeps a job that runs from being run a second time."""
    return hasattr(importlib.import_module("cron.jobs"), "heartbeat_fire_claim")


@contextlib.contextmanager
def alone(home: Path, job_id: str) -> Iterator[bool]:
    """Hold the lock of a job; yields False if another process has it."""
    folder = home.joinpath(*FOLDER)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = hashlib.sha256(job_id.encode()).hexdigest()[:32]
    descriptor = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield try_lock(descriptor, _LOCK_SECONDS, pause=0.05)
    finally:
        os.close(descriptor)


def sign_as_this_process() -> None:
    """Give this process a name of its own in the ledger of executions.

    Hermes makes the name up when it is imported, so that all workers of one template would share it
    and take each other's runs for their own.
    """
    with contextlib.suppress(ImportError):  # a Hermes without a ledger
        executions: Any = importlib.import_module("cron.executions")
        executions._PROCESS_ID = uuid.uuid4().hex


def runs_elsewhere(job_id: str) -> int | None:
    """Return the process of another Hermes that runs the job, by the ledger; None if none does."""
    try:
        from cron import executions
    except ImportError:  # a Hermes without a ledger
        return None
    for row in executions.list_executions(job_id=job_id, limit=20):
        pid = int(row["pid"])
        if row["status"] in _OPEN and pid != os.getpid() and _lives(executions, row):
            return pid
    return None


def _lives(executions: Any, row: Any) -> bool:
    return bool(executions._owner_is_live(int(row["pid"]), row["process_started_at"]))


def is_fired_by_hand(record: dict[str, Any]) -> bool:
    """Say whether somebody has just claimed a one-time job to run it now.

    A recurring job that is claimed so is not due any more; a one-time job looks as before.
    """
    from cron import jobs

    claim = record.get("fire_claim")
    if record["schedule"].get("kind") != "once" or not isinstance(claim, dict):
        return False
    try:
        age = jobs._hermes_now() - jobs._ensure_aware(jobs.datetime.fromisoformat(claim["at"]))
    except (KeyError, TypeError, ValueError):
        return False
    return bool(0 <= age.total_seconds() < _CLAIM_SECONDS)


@contextlib.contextmanager
def kept_from_others(job_id: str, last_run: object) -> Iterator[None]:
    """Keep the job's record unattractive to any other Hermes while the block runs.

    ``last_run`` is the record's ``last_run_at`` from before: Hermes writes it when the run ends.
    """
    if hermes_claims():
        yield
        return
    done = threading.Event()

    def keep() -> None:
        while not done.is_set():
            with contextlib.suppress(Exception):  # the next look tries again
                keep_off(job_id, last_run)
            done.wait(_LOOK_SECONDS)

    thread = threading.Thread(target=keep, name=f"hermes-router-keep-{job_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()


def keep_off(job_id: str, last_run: object) -> None:
    """Move the next run of a job that runs away from now, and renew its claim.

    Once the run has ended the record is left as Hermes wrote it. Does nothing where Hermes claims
    the job itself: it would not get the claim then.
    """
    if hermes_claims():
        return
    from cron import jobs

    with jobs._jobs_lock():
        records = jobs.load_jobs()
        record = next((record for record in records if record.get("id") == job_id), None)
        if record is None or record.get("last_run_at") != last_run:
            return
        now = jobs._hermes_now()
        record["fire_claim"] = {"at": now.isoformat(), "by": jobs._machine_id()}
        horizon = now + timedelta(seconds=_DISTANCE_SECONDS)
        if record["schedule"].get("kind") in {"cron", "interval"}:
            _move(jobs, record, horizon)
        jobs.save_jobs(records)


def _move(jobs: Any, record: dict[str, Any], horizon: Any) -> None:
    planned = record.get("next_run_at")
    if planned and jobs._ensure_aware(jobs.datetime.fromisoformat(planned)) > horizon:
        return
    later = jobs.compute_next_run(record["schedule"], horizon.isoformat())
    if later:
        record["next_run_at"] = later
