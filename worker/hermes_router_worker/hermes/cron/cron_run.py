"""Running one cron job by Hermes's own scheduler, in a process of its own.

Whether the job is due, what its next run is, how it is run, delivered and recorded: all of that is
``cron.scheduler.tick`` under Hermes's own lock of the home. Two things differ from the ticker of a
gateway: a tick here sees one job only, so that each job has its process; and the tick's process
waits for the job, and then ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.cron import cron_lock
from hermes_router_worker.hermes.patching import do_nothing

logger = logging.getLogger(__name__)

#: How long another process may hold Hermes's lock of the home; a tick holds it for a moment.
_TICK_SECONDS = 20.0

_POLL_SECONDS = 0.05

Record = dict[str, Any]


class Result(NamedTuple):
    """What came of it: an outcome of the protocol's ``Ended``, and why."""

    outcome: str
    detail: str = ""


class _Run:
    """What one process learns of its one job."""

    def __init__(self, job_id: str, begin: Callable[[Record], None], stop: threading.Event) -> None:
        self.job_id = job_id
        self.due: list[Record] = []
        self.looked = False
        self.marked: tuple[bool, str | None, str | None] | None = None
        self._begin = begin
        self._stop = stop

    def claim(self, find_due: Callable[[], list[Record]]) -> list[Record]:
        """Let Hermes find what is due among this one job, and tell the gateway before it runs.

        In one go with the claim: ``hermes cron run`` takes the lock of the store, not a tick's.
        """
        from cron import jobs

        if self._stop.is_set():
            self.looked = True
            return []
        with jobs._jobs_lock(), _only(self.job_id):
            self.due = [job for job in find_due() if not cron_lock.is_fired_by_hand(job)]
            for job in self.due:
                cron_lock.keep_off(job["id"], job.get("last_run_at"))
        self.looked = True
        for job in self.due:
            self._begin(job)
        return self.due


def run(job_id: str, begin: Callable[[Record], None], stop: threading.Event) -> Result:
    """Run a job if it is due and nobody else runs it; blocks until it has ended.

    ``begin`` is called with the job's record when it is claimed. With ``stop`` set, the run is left
    as it is.
    """
    if not _ticks_here():
        return Result("not_due", "the profile's cron.provider fires its jobs")
    if _paused():
        return Result("not_due", "Hermes is paused by its emergency stop")
    _stay_here()
    with cron_lock.alone(_home(), job_id) as mine:
        if not mine:
            return Result("busy", "another process runs it")
        other = cron_lock.runs_elsewhere(job_id)
        if other is not None:
            return Result("busy", f"process {other} runs it")
        return _run_alone(_Run(job_id, begin, stop), stop)


def _run_alone(work: _Run, stop: threading.Event) -> Result:
    from cron import scheduler

    replacements.CLOSE_DEAD_RUNS.replace(lambda _own: do_nothing)
    find_due = partial(work.claim, scheduler.get_due_jobs)
    with _replaced(scheduler, "get_due_jobs", find_due), _noting_the_end(work):
        if not _tick(work, scheduler, stop):
            return Result("busy", "another process holds the lock of the home's jobs")
        if not work.due:
            return Result("not_due")
        job = work.due[0]
        with cron_lock.kept_from_others(job["id"], job.get("last_run_at")):
            while job["id"] in scheduler.get_running_job_ids() and not stop.is_set():
                time.sleep(_POLL_SECONDS)
    return _result(work)


def _tick(work: _Run, scheduler: Any, stop: threading.Event) -> bool:
    """Let Hermes dispatch the job; False if its lock could not be had in time."""
    deadline = time.monotonic() + _TICK_SECONDS
    while not stop.is_set():
        scheduler.tick(verbose=False, sync=False)
        if work.looked:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return False


def _result(work: _Run) -> Result:
    if work.marked is None:
        return Result("failed", _why_unrecorded(work.job_id))
    success, error, undelivered = work.marked
    problems = [] if success else [str(error)]
    problems += [f"not delivered: {undelivered}"] if undelivered else []
    return Result("failed" if problems else "done", "; ".join(problems))


# -- reaches into Hermes -----------------------------------------------------------------------


def _home() -> Path:
    return Path(os.environ["HERMES_HOME"])


def _paused() -> bool:
    """Say whether somebody has stopped all new work, in this home or in the root's."""
    try:
        from agent import estop
    except ImportError:  # a Hermes before 0.20
        return False
    return bool(estop.is_engaged())


def _stay_here() -> None:
    """Have the job run in this process: under systemd Hermes would give it one of its own.

    That one would lie outside of what ends with the worker. Hermes looks at this variable for it.
    """
    os.environ.pop("INVOCATION_ID", None)


def _why_unrecorded(job_id: str) -> str:
    """Say by the ledger of executions why a run has no recorded end."""
    with contextlib.suppress(ImportError):  # a Hermes without a ledger
        from cron import executions

        for row in executions.list_executions(job_id=job_id, limit=1):
            if row["error"]:
                return str(row["error"])
    return "its end was not recorded"


def _ticks_here() -> bool:
    """Say whether the profile's jobs are fired by a ticker, and not by a service outside."""
    try:
        from cron import scheduler_provider as providers
    except ImportError:  # a Hermes without others
        return True
    provider = providers.resolve_cron_scheduler()
    return isinstance(provider, providers.InProcessCronScheduler)


@contextlib.contextmanager
def _only(job_id: str) -> Iterator[None]:
    """Let Hermes's look for due jobs see one record of the store, and keep the others as they are.

    The look claims and repairs what it sees. It holds the lock of the store meanwhile, and nothing
    else runs in this process yet. An empty id stands for the records without one.
    """
    from cron import jobs

    load, save = jobs.load_jobs, jobs.save_jobs

    def mine(record: Record) -> bool:
        return str(record.get("id") or record.get("job_id") or "") == job_id

    def load_all() -> list[Record]:
        with _replaced(jobs, "save_jobs", save):  # loading repairs the file, all of it
            return list(load())

    def load_mine() -> list[Record]:
        return [record for record in load_all() if mine(record)]

    def save_mine(changed: list[Record], **options: Any) -> None:
        records, left = [], list(changed)
        for record in load_all():
            if not mine(record):
                records.append(record)
            elif left:
                records.append(left.pop(0))
        save(records + left, **options)

    with _replaced(jobs, "load_jobs", load_mine), _replaced(jobs, "save_jobs", save_mine):
        yield


@contextlib.contextmanager
def _noting_the_end(work: _Run) -> Iterator[None]:
    """Note what Hermes records about the run: success, error, and what was not delivered."""
    from cron import scheduler

    record = scheduler.mark_job_run

    def mark(job_id: str, *result: Any, **options: Any) -> Any:
        names = ("success", "error", "delivery_error")
        known = dict(zip(names, result, strict=False)) | options
        work.marked = (bool(known["success"]), known.get("error"), known.get("delivery_error"))
        return record(job_id, *result, **options)

    with _replaced(scheduler, "mark_job_run", mark):
        yield


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put ``value`` in the place of a function of Hermes."""
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)
