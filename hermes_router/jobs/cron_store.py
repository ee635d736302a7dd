"""Compute from the content of Hermes's cron file when a profile's cron jobs are due.

This module reads no files and does not import Hermes. It may call a job due too early, because the
worker asks Hermes's own code again before it runs the job. But it must never call a job "not due"
that Hermes would run. The profile's own processes can write the file, so its content is checked,
never trusted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

#: Seconds after its time until which Hermes still runs a one-time job without a next run.
ONE_TIME_GRACE = 120.0

#: Seconds for which a one-time job is left to the process that runs it, see Hermes's ``run_claim``.
CLAIM_SECONDS = 1800.0

#: Seconds within which a process that has set a job's next run begins the current run, see Hermes's
#: ``pending_slot``.
SLOT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class CronJob:
    """A cron job as the gateway sees it.

    ``due`` is the Unix time, in seconds, from which a worker may have to run it. ``state`` changes
    whenever Hermes has worked on the job. An empty ``id`` means that the record has no id; Hermes
    in the worker repairs such records.
    """

    id: str
    name: str
    due: float
    state: str


def store_of(home: Path) -> Path:
    """Return the file in which Hermes keeps a home's cron jobs."""
    return home / "cron" / "jobs.json"


def parse_store(content: bytes, now: float) -> list[CronJob]:
    """Return the jobs in the content of a cron file, without those that never will be due.

    ``now`` is in Unix seconds.

    Raises:
        ValueError: the content is no list of jobs.
    """
    data = json.loads(content.decode("utf-8-sig"), strict=False)
    records = data.get("jobs") if isinstance(data, dict) else data
    if not isinstance(records, list):
        raise ValueError("it contains no list of jobs")  # noqa: TRY004 - like what json raises
    return list(_wanted(records, now))


def _wanted(records: Iterable[Any], now: float) -> Iterable[CronJob]:
    for record in records:
        due = due_time(record, now) if isinstance(record, dict) else None
        if due is not None:
            number = str(record.get("id") or record.get("job_id") or "")
            state = json.dumps([record.get("next_run_at"), record.get("run_claim")], default=str)
            yield CronJob(number, str(record.get("name") or number), due, state)


def due_time(record: Mapping[str, Any], now: float) -> float | None:
    """Return the Unix time, in seconds, from which a cron job may be due by Hermes's rules.

    ``record`` is the job as Hermes's cron file lists it. Returns None if the job cannot be due
    before Hermes changes its record, for example because the job is disabled. The time may be too
    early, never too late.
    """
    if not record.get("enabled", True):
        return None
    schedule = record.get("schedule")
    schedule = schedule if isinstance(schedule, dict) else {}
    once = schedule.get("kind") == "once"
    if once and (free := _free_again(record.get("run_claim"), now)) is not None:
        return free
    moment = moment_of(record.get("next_run_at"))
    if moment is not None:
        return moment if once else min(moment, _not_begun(record.get("pending_slot"), moment))
    if once:
        return None if record.get("last_run_at") else _recoverable(schedule.get("run_at"), now)
    return now if schedule.get("kind") in {"cron", "interval"} else None


def _free_again(claim: object, now: float) -> float | None:
    """Return when another process may run a one-time job that a process has claimed.

    Returns None if no process claims it now.
    """
    since = moment_of(claim.get("at")) if isinstance(claim, dict) else None
    if since is None or not 0 <= now - since < CLAIM_SECONDS:
        return None
    return since + CLAIM_SECONDS


def _not_begun(slot: object, otherwise: float) -> float:
    """Return when Hermes repeats a run that was planned and that no process has begun.

    Hermes 0.22 and newer notes such a run in the job as ``pending_slot``, also while it begins the
    run. Without such a note this returns ``otherwise``.
    """
    known = isinstance(slot, dict) and moment_of(slot.get("scheduled_at")) is not None
    since = moment_of(slot.get("at")) if isinstance(slot, dict) and known else None
    return otherwise if since is None else since + SLOT_SECONDS


def _recoverable(run_at: object, now: float) -> float | None:
    moment = moment_of(run_at)
    return moment if moment is not None and moment >= now - ONE_TIME_GRACE else None


def moment_of(text: object) -> float | None:
    """Return the time that an ISO 8601 text names, in Unix seconds; None if it names none.

    A time without a zone is local time.
    """
    try:
        return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
    except (ValueError, OverflowError, OSError):
        return None
