"""Record a cron job's run that is cut off, and tell the place where the job delivers.

Hermes removes a one-time job before it runs, so that no crash runs it twice. A run that a stop or a
kill cuts off would vanish without a trace. So the job's place gets a message, at once or by the
home's next maintenance. A one-time job whose run had not begun is put back and runs after all.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import logging
import os
import uuid
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from hermes_router_worker.hermes.cron import cron_lock

logger = logging.getLogger(__name__)

Record = dict[str, Any]

#: The error of a run begins so if its process died. A second observer sees by it that the place was
#: told.
_DIED = "The process of this run ended before the run did: "

_UNSEEN = "it was killed, or its gateway or machine was"

_NOT_BEGUN = "The process of this run ended before the run began; the job was given back."

#: States of an execution that has not ended, as Hermes's ledger names them.
_OPEN = frozenset({"claimed", "running"})

#: Seconds by which two observers of one death may be apart.
_JUST_NOW_SECONDS = 60.0

#: How many rows of the ledger one look reads at most.
_MOST_ROWS = 200


def interrupt(reason: str, known: Container[str] = ()) -> list[str]:
    """Record the jobs that run in this process as cut off, and leave a message for their places.

    A job worker calls it when it must end. Returns the ids of these jobs; jobs in ``known`` are
    already recorded and left alone. Background processes that the jobs started end, as in a
    gateway. Hermes does not count these runs as a success any more, whatever their agents still
    say.
    """
    from cron import jobs, scheduler
    from tools.process_registry import process_registry

    cut = {number: jobs.get_job(number) for number in _running() if number not in known}
    if not cut:
        return []
    with contextlib.suppress(Exception):
        process_registry.kill_all()
    scheduler.mark_running_jobs_interrupted(reason)  # removes a one-time job from the store
    for number, job in cut.items():
        with contextlib.suppress(Exception):
            _close_own(number, reason)
            if job is not None:
                owe(job, scheduler._summarize_cron_failure_for_delivery(job, reason))
    atexit.unregister(scheduler._shutdown_parallel_pool)  # it would wait for the run
    return list(cut)


def tell(job: Record, text: str) -> str | None:
    """Deliver a text to the places where the job delivers; block until that is done.

    Returns the error, or None.
    """
    from cron import scheduler

    undelivered = scheduler._deliver_result(job, text)
    return str(undelivered) if undelivered else None


def owe(job: Record, text: str) -> str | None:
    """Leave a text for the job's places in Hermes's ledger of unsent replies.

    Used when this process must end before it could send. The home's next maintenance sends the
    text. Returns None, or why the text could not be left there.
    """
    from cron import scheduler
    from gateway import delivery_ledger

    if not delivery_ledger.ledger_enabled():
        return "the profile keeps no ledger of replies"
    for target in scheduler._resolve_delivery_targets(job):
        delivery_ledger.record_obligation(
            obligation_id=uuid.uuid4().hex,
            session_key="",
            platform=target["platform"].lower(),
            chat_id=target["chat_id"],
            thread_id=target.get("thread_id"),
            content=text,
        )
    return None


def record_lost(job_id: str, reason: str) -> tuple[str, str]:
    """Record and report that the process in which a job ran has died; do not run the job again.

    The gateway asks for it by a job with ``lost``. Returns an outcome as in the protocol's
    ``Ended``, and the reason. If another process has just reported the death, nothing is reported
    again.
    """
    from cron import jobs, scheduler

    error = _DIED + reason
    with cron_lock.alone(_home(), job_id) as mine:
        if not mine:
            return "busy", "another process runs it"
        if _told(job_id):
            return "done", "its failure was reported before"
        _close_dead(job_id, error)
        job = jobs.get_job(job_id)
        if job is None:
            return "done", "the job does not exist any more"
        undelivered = tell(job, scheduler._summarize_cron_failure_for_delivery(job, error))
        jobs.mark_job_run(job_id, success=False, error=error, delivery_error=undelivered)
    if undelivered:
        return "failed", f"not delivered: {undelivered}"
    return "done", "its failure is recorded and reported"


def recover() -> int:
    """Record and report the cron runs whose processes died; return how many there were.

    The maintenance of the home calls it. A run that another process has reported is not reported
    again. A one-time job whose run had not begun is put back.
    """
    executions = _ledger()
    if not (_home() / "cron" / "executions.db").exists():
        return 0
    found = 0
    for row in _dead(executions, executions.list_executions(limit=_MOST_ROWS)):
        if row["status"] == "claimed":
            found += _give_back(executions, row)
            continue
        outcome, detail = record_lost(row["job_id"], _UNSEEN)
        logger.warning("cron job %s was interrupted: %s, %s", row["job_id"], outcome, detail)
        found += 1
    return found + int(executions.recover_interrupted_executions())


def _home() -> Path:
    return Path(os.environ["HERMES_HOME"])


def _give_back(executions: Any, row: Any) -> bool:
    """Put a one-time job back whose run had not begun; return False if it is no such job."""
    from cron import jobs

    with jobs._jobs_lock():
        records = jobs.load_jobs()
        record = next((record for record in records if record.get("id") == row["job_id"]), None)
        if record is None or (record.get("schedule") or {}).get("kind") != "once":
            return False
        if not _close(executions, row["id"], _NOT_BEGUN):
            return False
        repeat = record.get("repeat") or {}
        repeat["completed"] = max(0, (repeat.get("completed") or 0) - 1)
        record["fire_claim"] = None
        record["run_claim"] = {"outage": True}  # Hermes's word for a job that may run late
        jobs.save_jobs(records)
    return True


# -- Hermes's ledger of executions -------------------------------------------------------------


def _ledger() -> Any:
    return importlib.import_module("cron.executions")


def _running() -> list[str]:
    from cron import scheduler

    return list(scheduler.get_running_job_ids())


def _dead(executions: Any, rows: list[Record]) -> Iterator[Record]:
    """Yield the open rows whose process has ended."""
    for row in rows:
        if row["status"] not in _OPEN or row["process_id"] == executions._PROCESS_ID:
            continue
        if not executions._owner_is_live(int(row["pid"]), row["process_started_at"]):
            yield row


def _told(job_id: str) -> bool:
    """Say whether another process has just reported the death of the job's last run."""
    executions = _ledger()
    rows = executions.list_executions(job_id=job_id, limit=1)
    return any(str(row["error"]).startswith(_DIED) and _just_now(row) for row in rows)


def _just_now(row: Record) -> bool:
    from hermes_time import now

    ended = cron_lock.time_of(row["finished_at"])
    return bool((now() - ended).total_seconds() < _JUST_NOW_SECONDS)


def _close_dead(job_id: str, error: str) -> None:
    executions = _ledger()
    for row in _dead(executions, executions.list_executions(job_id=job_id, limit=5)):
        _close(executions, row["id"], error)


def _close_own(job_id: str, error: str) -> None:
    """Close the rows of a run of this process, which may be killed before the run ends."""
    executions = _ledger()
    for row in executions.list_executions(job_id=job_id, limit=5):
        if row["process_id"] == executions._PROCESS_ID:
            executions.finish_execution(row["id"], success=False, error=error)


def _close(executions: Any, execution_id: str, error: str) -> bool:
    """Close a row; return False if another process did it, or may still do it."""
    finish = getattr(executions, "terminalize_dead_owner", None)  # since 0.22, for others' rows
    if finish is not None:
        return bool(finish(execution_id, reason=error))
    return bool(executions.finish_execution(execution_id, success=False, error=error))
