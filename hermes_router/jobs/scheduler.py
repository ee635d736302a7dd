"""The scheduler: it checks the homes of routed profiles, and starts a worker for each due job.

For a profile without a due job, a check costs some ``stat`` calls and no process. One process does
one job. Several gateways may serve one profile. Then locks in the profile's home decide which of
them runs a job: Hermes's own, and those of :mod:`hermes_router_worker.hermes.cron.cron_lock`.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread

from hermes_router.base.tasks import BackgroundTasks
from hermes_router.config.settings import Schedule, Settings
from hermes_router.jobs import cron_store, maintenance
from hermes_router.jobs.job_run import JobResult, JobSpec
from hermes_router.profiles.config import read_profile_config
from hermes_router.profiles.env_file import env_values
from hermes_router.profiles.model import Profile
from hermes_router.profiles.small_file import read_small

logger = logging.getLogger(__name__)

#: Seconds until a job is tried again if its worker has not changed the job's state.
_LEFT_ALONE = 60.0

#: Seconds until a job is tried again if its worker died; doubled each time up to the second.
_FIRST_RETRY = 30.0
_LAST_RETRY = 3600.0

#: The variable in a home's ``.env`` that limits how many of its cron jobs run at once.
_MOST_AT_ONCE = "HERMES_CRON_MAX_PARALLEL"

#: Seconds between two checks, at least.
_SHORTEST = 0.05


@dataclass(frozen=True, slots=True)
class Member:
    """A routed profile whose home the scheduler looks at, with its settings."""

    profile: Profile
    settings: Settings


_Stamp = tuple[int, int, int]


@dataclass(slots=True)
class _Rest:
    """A job that was tried without effect: in this ``state`` it is not tried before ``until``.

    That is in monotonic seconds: a clock that is set back makes no rest longer.
    """

    state: str
    until: float
    tries: int = 0


@dataclass(slots=True)
class _Home:
    """What the scheduler remembers about one profile's home between two checks.

    ``upkeep`` is when maintenance is due (Unix seconds), ``kept_up`` is True while it runs, and
    before ``rest`` it does not run again (monotonic seconds). ``owed``: a dead process left
    unfinished work; ``seen`` is False if that must be checked again. ``refused`` is when a platform
    refused the oldest unsent reply, as the database with ``reply_stamps`` has it. ``nudged`` is
    True if a worker was cut off since the last maintenance began.
    """

    stamp: _Stamp | None = None
    settings_stamps: tuple[_Stamp | None, ...] = ()
    own_limit: int | None = None
    known: list[cron_store.CronJob] = field(default_factory=list)
    complaint: str = ""
    upkeep: float | None = None
    seen: bool = False
    owed: bool = False
    reply_stamps: tuple[_Stamp | None, ...] = ()
    refused: float | None = None
    kept_up: bool = False
    nudged: bool = False
    rest: float = 0.0
    running: set[str] = field(default_factory=set)
    rests: dict[str, _Rest] = field(default_factory=dict)


Run = Callable[[Member, JobSpec], Awaitable[JobResult]]


class Scheduler:
    """Starts a worker for each due cron job, and for due maintenance, of the routed profiles.

    ``members`` returns these profiles. ``run`` starts a worker for one job, waits for its end and
    returns the result. Nothing is started while ``may_start`` returns False. ``schedule`` returns
    the configured pauses. If ``paused`` returns True for a home, its cron jobs wait, but its
    maintenance does not.
    """

    def __init__(
        self,
        members: Callable[[], Awaitable[Sequence[Member]]],
        run: Run,
        *,
        may_start: Callable[[], bool],
        schedule: Callable[[], Schedule],
        paused: Callable[[Path], bool] = lambda _home: False,
    ) -> None:
        self._members = members
        self._run = run
        self._may_start = may_start
        self._schedule = schedule
        self._paused = paused
        self._homes: dict[Path, _Home] = {}
        self._tasks = BackgroundTasks("a job could not be run")
        self._wake = asyncio.Event()

    async def serve(self) -> None:
        """Look for due jobs in the homes of routed profiles and start them, until cancelled.

        A look comes every ``schedule.cron`` seconds, or sooner after :meth:`nudge`. Jobs that run
        when this is cancelled go on.
        """
        while True:
            self._wake.clear()  # before the check: what happens during it starts another one
            try:
                pause = await self._look()
            except Exception:
                logger.exception("the check for due jobs failed")
                pause = self._schedule().cron
            with anyio.move_on_after(pause):
                await self._wake.wait()

    def nudge(self, profile: Profile) -> None:
        """Have a profile's home checked at once for unsent replies and unfinished jobs.

        Call this when a worker of the profile has failed or its gateway was killed, because it may
        have left some. Maintenance, which finishes them, then does not wait for its usual pause.
        """
        home = self._homes.setdefault(profile.home, _Home())
        home.seen, home.rest, home.nudged = False, 0.0, True
        self._wake.set()

    async def _look(self) -> float:
        """Start all due jobs; return the seconds until the next check."""
        schedule = self._schedule()
        pause = schedule.cron
        if not self._may_start():
            return pause
        members = await self._members()
        now = time.time()
        homes = [self._homes.setdefault(m.profile.home, _Home()) for m in members]
        await anyio.to_thread.run_sync(_look_at, members, homes, schedule, now)
        for member, home in zip(members, homes, strict=True):
            if member.settings.jobs.cron and not self._paused(member.profile.home):
                pause = min(pause, self._start_due(member, home, now))
            self._start_upkeep(member, home, now)
        return max(pause, _SHORTEST)

    def _start_due(self, member: Member, home: _Home, now: float) -> float:
        """Start a profile's due cron jobs; return the seconds until its next one is due."""
        pause = float("inf")
        most = min(member.settings.jobs.concurrent, home.own_limit or sys.maxsize)
        for job in sorted(home.known, key=lambda job: job.due):
            rest = home.rests.get(job.id)
            due = job.due
            if rest is not None and rest.state == job.state:
                due = now + rest.until - time.monotonic()
            if job.id in home.running or len(home.running) >= most:
                continue  # the end of a running job starts the next check
            if due > now:
                pause = min(pause, due - now)
            else:
                home.running.add(job.id)
                self._tasks.start(self._do(member, home, job))
        return pause

    async def _do(self, member: Member, home: _Home, job: cron_store.CronJob) -> None:
        try:
            spec = JobSpec("cron", job.id, job.name)
            result = await self._run(member, spec)
            if result.outcome == "died" and result.begun and self._may_start():
                lost = JobSpec("cron", job.id, job.name, lost=result.detail or "its process ended")
                result = await self._run(member, lost)
            self._remember(home, job, result)
        finally:
            home.running.discard(job.id)
            home.stamp = None  # read the file again, even if its time is unchanged
            self._wake.set()

    def _remember(self, home: _Home, job: cron_store.CronJob, result: JobResult) -> None:
        before = home.rests.pop(job.id, None)
        pause, tries = _LEFT_ALONE, 0
        if result.outcome == "died":
            tries = before.tries + 1 if before is not None else 1
            pause = min(_FIRST_RETRY * 2 ** (tries - 1), _LAST_RETRY)
        home.rests[job.id] = _Rest(job.state, time.monotonic() + pause, tries)

    def _start_upkeep(self, member: Member, home: _Home, now: float) -> None:
        """Start a profile's maintenance if it is due; only one profile at a time."""
        wanted = home.upkeep is not None and home.upkeep <= now
        if not (wanted and member.settings.jobs.upkeep):
            return
        if any(other.kept_up for other in self._homes.values()) or time.monotonic() < home.rest:
            return
        home.kept_up, home.nudged = True, False
        self._tasks.start(self._keep_up(member, home))

    async def _keep_up(self, member: Member, home: _Home) -> None:
        try:
            result = await self._run(member, JobSpec("upkeep"))
            if not home.nudged:  # else it may have looked before that worker was cut off
                home.owed = home.owed and result.outcome != "done"
                home.rest = time.monotonic() + self._schedule().upkeep
            if result.outcome == "died":
                logger.warning(
                    "maintenance of the home of %s: %s", member.profile.name, result.detail
                )
        finally:
            home.kept_up = False
            home.upkeep = None
            self._wake.set()


# -- checks, outside the event loop ------------------------------------------------------------


def _look_at(
    members: Sequence[Member], homes: Sequence[_Home], schedule: Schedule, now: float
) -> None:
    for member, home in zip(members, homes, strict=True):
        _look_at_jobs(member.profile, home, now)
        if len(home.known) > 1:
            _look_at_limit(member.profile, home)
        if not home.seen:
            home.seen = True  # before the query: it may miss what a nudge is about
            home.owed = maintenance.has_unfinished_work(member.profile.home)
        _look_at_replies(member.profile.home, home)
        home.upkeep = maintenance.upkeep_time(
            _kept(member.profile.home),
            _changed(member.profile.home, now),
            now=now,
            interval=schedule.upkeep,
            owed=home.owed,
            refused=home.refused,
        )


def _look_at_jobs(profile: Profile, home: _Home, now: float) -> None:
    """Read a profile's cron file if it has changed; log each problem with it once."""
    path = cron_store.store_of(profile.home)
    try:
        stamp = _stamp(path)
        if stamp != home.stamp:
            home.stamp = stamp  # first: the end of a job may ask meanwhile for one more reading
            home.known = cron_store.parse_store(read_small(path), now)
            home.complaint = ""
    except FileNotFoundError:
        home.known, home.stamp = [], None
    except (OSError, ValueError, RecursionError) as error:
        home.known, home.stamp = [], None
        if str(error) != home.complaint:
            home.complaint = str(error)
            name, why = profile.name, home.complaint
            logger.error("profile %s: cron jobs cannot be read: %s", name, why)  # noqa: TRY400


def _look_at_limit(profile: Profile, home: _Home) -> None:
    """Read the profile's own limit of cron jobs at once, if its files have changed."""
    stamps = tuple(_stamp_if_there(profile.home / name) for name in (".env", "config.yaml"))
    if stamps != home.settings_stamps:
        home.settings_stamps, home.own_limit = stamps, own_limit(profile.home)


def _look_at_replies(path: Path, home: _Home) -> None:
    """Look for replies that a platform refused, if the profile's database has changed."""
    stamps = tuple(_stamp_if_there(path / name) for name in ("state.db", "state.db-wal"))
    if stamps != home.reply_stamps:
        home.reply_stamps = stamps  # before the query: it may miss what is written meanwhile
        home.refused = maintenance.refused_since(path)


def own_limit(home: Path) -> int | None:
    """Return how many cron jobs the settings in a profile's home allow to run at the same time.

    A valid number in ``.env`` wins over ``config.yaml``, as in Hermes. None means no limit.
    """
    cron = read_profile_config(home / "config.yaml").get("cron")
    named = env_values(home / ".env").get(_MOST_AT_ONCE)
    listed = cron.get("max_parallel_jobs") if isinstance(cron, dict) else None
    return _positive(named) or _positive(listed)


def _positive(value: object) -> int | None:
    try:
        number = int(str(value).strip())
    except ValueError:
        return None
    return number if number > 0 else None


def _stamp_if_there(path: Path) -> _Stamp | None:
    try:
        return _stamp(path)
    except OSError:
        return None


def _stamp(path: Path) -> _Stamp:
    state = path.lstat()
    return state.st_mtime_ns, state.st_size, state.st_ino


def _kept(home: Path) -> maintenance.MaintenanceNote | None:
    try:
        return maintenance.parse_note(read_small(home.joinpath(*maintenance.NOTE), 4096))
    except OSError:
        return None


def _changed(home: Path, now: float) -> float | None:
    """Return the last change of a watched file; 0 if a clock that was ahead made all changes."""
    times = []
    for name in maintenance.WATCHED:
        try:
            times.append((home / name).lstat().st_mtime)
        except OSError:
            continue
    known = (moment for moment in times if not maintenance.is_future(moment, now))
    return max(known, default=0.0) if times else None
