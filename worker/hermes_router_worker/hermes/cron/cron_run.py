"""Run one cron job by Hermes's own scheduler, in a process of its own.

``cron.scheduler.tick``, under Hermes's own lock of the home, decides whether the job is due and
what its next run is; it also runs, delivers and records the job. Three things differ from a
gateway's ticker. A tick here sees one job only, so that each job has its own process. The process
that ticks waits for the job, and then ends. So what a tick begins beside the jobs is left to the
maintenance of the home.
"""

from __future__ import annotations

import contextlib
import importlib
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

#: Seconds that another process may hold Hermes's lock of the home; a tick holds it for a moment.
_TICK_SECONDS = 20.0

_POLL_SECONDS = 0.05

#: What a tick of Hermes begins in threads beside the jobs: the modules and the functions.
BESIDE_JOBS = (
    ("cron.bot_chat_delivery", "drain_in_background"),
    ("cron.scheduler", "_maybe_run_worktree_maintenance"),
)

Record = dict[str, Any]


class Result(NamedTuple):
    """The result of a job: an outcome as in the protocol's ``Ended``, and the reason."""

    outcome: str
    detail: str = ""


class _Run:
    """What one process learns about its one job."""

    def __init__(self, job_id: str, begin: Callable[[Record], None], stop: threading.Event) -> None:
        self.job_id = job_id
        self.due: list[Record] = []
        self.looked = False
        self.marked: tuple[bool, str | None, str | None] | None = None
        self._begin = begin
        self._stop = stop

    def claim(self, find_due: Callable[[], list[Record]]) -> list[Record]:
        """Let Hermes find out whether this job is due; tell the gateway before the job runs.

        The look and the claim happen under one lock of the store: ``hermes cron run`` takes that
        lock, not the lock of a tick.
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
    """Run a job if it is due and no other process runs it; block until the run has ended.

    A job worker calls it in a thread. ``begin`` is called with the job's record when the job is
    claimed, before it runs. When ``stop`` is set, this returns and leaves the run as it is. The
    outcome is ``not_due`` or ``busy`` if nothing was run.
    """
    if not _ticks_here():
        return Result("not_due", "the profile's cron.provider fires its jobs")
    if paused():
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
    _repair_store()
    find_due = partial(work.claim, scheduler.get_due_jobs)
    finding, noting = _replaced(scheduler, "get_due_jobs", find_due), _noting_the_end(work)
    with finding, noting, _left_to_maintenance():
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
    """Let Hermes start the job; return False if Hermes's lock was not free in time."""
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


def _repair_store() -> None:
    """Have Hermes repair the form of its store now, before a tick.

    A tick also starts a thread that reads the store. In Hermes 0.21, that thread repairs what it
    read without the lock, and undoes the tick's repairs.
    """
    from cron import jobs

    with jobs._jobs_lock():
        jobs.load_jobs()


def paused() -> bool:
    """Say whether somebody has stopped all new work, in this home or in the root's."""
    try:
        from agent import estop
    except ImportError:  # a Hermes before 0.20
        return False
    return bool(estop.is_engaged())


def _stay_here() -> None:
    """Have the job run in this process: under systemd, Hermes would start another one for it.

    That process would not end with the worker. Hermes looks at this variable to decide.
    """
    os.environ.pop("INVOCATION_ID", None)


def _why_unrecorded(job_id: str) -> str:
    """Return, from the ledger of executions, why a run has no recorded end."""
    from cron import executions

    for row in executions.list_executions(job_id=job_id, limit=1):
        if row["error"]:
            return str(row["error"])
    return "the end of the run was not recorded"


def _ticks_here() -> bool:
    """Say whether a ticker starts the profile's jobs, and not a service outside of Hermes."""
    from cron import scheduler_provider as providers

    provider = providers.resolve_cron_scheduler()
    return isinstance(provider, providers.InProcessCronScheduler)


@contextlib.contextmanager
def _only(job_id: str) -> Iterator[None]:
    """While the block runs, this thread sees one record of the store and keeps all others.

    The look for due jobs claims and repairs what it sees, under the lock of the store. Other
    threads read the whole store meanwhile: a tick of Hermes starts one. An empty id stands for the
    records without an id.
    """
    from cron import jobs

    load, save = jobs.load_jobs, jobs.save_jobs
    looking, repairs = threading.get_ident(), False

    def whole() -> bool:
        return repairs or threading.get_ident() != looking

    def mine(record: Record) -> bool:
        return str(record.get("id") or record.get("job_id") or "") == job_id

    def load_all() -> list[Record]:
        nonlocal repairs
        repairs = True  # loading repairs the whole file
        try:
            return list(load())
        finally:
            repairs = False

    def load_mine() -> list[Record]:
        return list(load()) if whole() else [record for record in load_all() if mine(record)]

    def save_mine(changed: list[Record], **options: Any) -> None:
        if whole():
            save(changed, **options)
            return
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
def _left_to_maintenance() -> Iterator[None]:
    """While the block runs, a tick begins nothing that goes on beside the job, in a thread.

    The end of this process would cut it off: a result for Bot Chat that is being delivered is not
    delivered again.
    """
    with contextlib.ExitStack() as replaced:
        for module, name in BESIDE_JOBS:
            with contextlib.suppress(ImportError, AttributeError):  # a Hermes before 0.21
                owner = importlib.import_module(module)
                replaced.enter_context(_replaced(owner, name, do_nothing))
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
    """While the block runs, replace a function of Hermes by ``value``."""
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)
