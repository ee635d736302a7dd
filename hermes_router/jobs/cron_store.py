"""When a profile's cron jobs are due, as far as their store tells.

Pure, and without Hermes. It may say "due" too often, for the worker asks
Hermes's own code again before it runs anything; it must not say "not due" where Hermes would run a
job. The store lies where the profile's own processes can write: it is judged, never trusted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

#: Seconds for which Hermes still runs a one-time job whose time has passed without a next run.
ONE_TIME_GRACE = 120.0

#: Seconds for which a running one-time job is at least left alone, see Hermes's ``run_claim``.
CLAIM_SECONDS = 1800.0

#: Seconds within which whoever has planned past a run begins it, see Hermes's ``pending_slot``.
SLOT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class CronJob:
    """A cron job as the gateway sees it.

    ``due`` is the time, in seconds since the epoch, from which a worker may have something to do
    for it. ``state`` changes whenever Hermes has acted on the job. An empty ``id`` stands for
    records without one, which Hermes repairs.
    """

    id: str
    name: str
    due: float
    state: str


def store_of(home: Path) -> Path:
    """Return the file in which Hermes keeps a home's cron jobs."""
    return home / "cron" / "jobs.json"


def parse_store(content: bytes, now: float) -> list[CronJob]:
    """Return the jobs of a store that will ever be due; raises ``ValueError`` if it is none."""
    data = json.loads(content.decode("utf-8-sig"), strict=False)
    records = data.get("jobs") if isinstance(data, dict) else data
    if not isinstance(records, list):
        raise ValueError("it holds no list of jobs")  # noqa: TRY004 - like what json raises
    return list(_wanted(records, now))


def _wanted(records: Iterable[Any], now: float) -> Iterable[CronJob]:
    for record in records:
        due = due_time(record, now) if isinstance(record, dict) else None
        if due is not None:
            number = str(record.get("id") or record.get("job_id") or "")
            state = json.dumps([record.get("next_run_at"), record.get("run_claim")], default=str)
            yield CronJob(number, str(record.get("name") or number), due, state)


def due_time(record: Mapping[str, Any], now: float) -> float | None:
    """Return from when a job may be due, by Hermes's rules; None if it is not by itself."""
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
    """Return when a one-time job that somebody runs may be taken up by others."""
    since = moment_of(claim.get("at")) if isinstance(claim, dict) else None
    if since is None or not 0 <= now - since < CLAIM_SECONDS:
        return None
    return since + CLAIM_SECONDS


def _not_begun(slot: object, otherwise: float) -> float:
    """Return when Hermes takes up a run that it has planned past and that nobody has begun.

    From 0.22 on Hermes notes such a run in the job. It does that too while it begins one.
    """
    known = isinstance(slot, dict) and moment_of(slot.get("scheduled_at")) is not None
    since = moment_of(slot.get("at")) if isinstance(slot, dict) and known else None
    return otherwise if since is None else since + SLOT_SECONDS


def _recoverable(run_at: object, now: float) -> float | None:
    moment = moment_of(run_at)
    return moment if moment is not None and moment >= now - ONE_TIME_GRACE else None


def moment_of(text: object) -> float | None:
    """Return an ISO time as seconds since the epoch; one without a zone is local."""
    try:
        return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
    except (ValueError, OverflowError, OSError):
        return None
