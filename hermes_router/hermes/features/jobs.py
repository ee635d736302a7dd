"""Cron jobs and upkeep of routed profiles, as the gateway starts and ends them.

What is due is :mod:`hermes_router.jobs.scheduler`'s to see; the work is done by Hermes's own code
in a job worker. This gives that worker what only the gateway has.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hermes_router import tasks
from hermes_router.config.settings import Schedule
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.errors import ConfigError, ProfileError, RelayRefused
from hermes_router.hermes.compat import emergency_stop, seams
from hermes_router.jobs.job_run import JobResult, JobRun, JobSpec
from hermes_router.jobs.scheduler import Member, Scheduler
from hermes_router.profiles import model
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.relay.attachments import Spool
from hermes_router.relay.delivery_policy import Sender
from hermes_router.relay.prompts import Ask
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.ports import TurnServices

logger = logging.getLogger(__name__)


class JobConversation:
    """What a job's worker is told and may ask for; it belongs to no chat."""

    def __init__(
        self, profile: Profile, errand: JobSpec, heard: Callable[[msg.Commands], None] | None = None
    ) -> None:
        self.profile = profile
        self.key = errand.key
        self._errand = errand
        self._heard = heard

    @property
    def sender(self) -> Sender:
        """Who sends: the profile, from no conversation. What a job calls its origin is a claim."""
        return Sender(profile=self.profile.name)

    def start_message(
        self, *, turn_id: str, heartbeat: float, linger: float, delivery_scope: msg.DeliveryScope
    ) -> msg.Job:
        """Return what the worker is told about its job."""
        return msg.Job(
            turn=turn_id,
            kind=self._errand.kind,
            id=self._errand.id,
            lost=self._errand.lost,
            heartbeat=heartbeat,
            linger=linger,
            delivery_scope=delivery_scope,
        )

    async def execute(self, method: str, args: Mapping[str, Any], spool: Spool, ask: Ask) -> Any:
        """Refuse: a job acts on no conversation, it delivers."""
        raise RelayRefused(
            "a job has no conversation of its own",
            call=method,
            target=self.key,
            profile=self.profile.name,
        )

    def offered(self, offers: msg.Commands) -> None:
        """Hand on what a job was started for; others were not asked."""
        if self._heard is not None:
            self._heard(offers)

    def worker_ended(self) -> None:
        """Nothing: a job calls no adapter."""

    async def notify(self, text: str) -> bool:
        """Log a line: nobody waits for a job in a chat."""
        logger.warning("profile %s: %s: %s", self.profile.name, self.key, text)
        return True

    def note_works(self, turn_id: str, works: Sequence[str]) -> None:
        """Nothing: there is no chat that a later gateway could tell."""

    def note_wakeup(self, at: float | None) -> None:
        """Nothing: a job has no session."""


class Jobs:
    """The jobs of one gateway."""

    def __init__(
        self,
        runner: Any,
        services: TurnServices,
        dispatcher: Dispatcher,
        watcher: ConfigWatcher,
        root: Any,
    ) -> None:
        self._runner = runner
        self._services = services
        self._dispatcher = dispatcher
        self._watcher = watcher
        self._root = root
        self._running: dict[str, JobRun] = {}
        self._task: asyncio.Task[None] | None = None
        self.scheduler = Scheduler(
            self.members,
            self._run,
            may_start=self._may_start,
            schedule=self._schedule,
            paused=emergency_stop.paused,
        )

    def start(self) -> None:
        """Begin to look, as soon as the gateway's platforms are connected."""
        count_as_running_jobs(self)
        self._task = asyncio.create_task(self._serve(), name="hermes-router-jobs")

    async def stop(self) -> None:
        """Start no more; what runs is the dispatcher's to end."""
        await tasks.cancel(self._task)

    def running(self) -> frozenset[str]:
        """Return the cron jobs whose workers live, for Hermes's drain to wait for."""
        return frozenset(
            f"{turn.profile.name}:{turn.errand.id}"
            for turn in self._running.values()
            if turn.errand.kind == "cron"
        )

    async def _serve(self) -> None:
        await seams.until_running(self._runner)
        await self.scheduler.serve()

    def _may_start(self) -> bool:
        return not (
            seams.shutting_down(self._runner) or seams.drained_externally(self._runner)
        ) and bool(getattr(self._runner, "_running", False))

    def _schedule(self) -> Schedule:
        config = self._watcher.snapshot
        return config.schedule if config is not None else Schedule()

    async def members(self) -> list[Member]:
        """Return the routed profiles that exist, as the routes say now."""
        try:
            config = await self._watcher.fresh()
        except ConfigError:
            return []
        members = []
        for name in config.worker_profiles():
            with contextlib.suppress(ProfileError):
                profile = model.find(name, self._root)
                members.append(Member(profile, config.settings(name)))
        return members

    async def look_up_menu(
        self, member: Member, platform: str, heard: Callable[[msg.Commands], None]
    ) -> None:
        """Have a worker say what a profile offers in a platform's menu."""
        if self._may_start():
            await self._run(member, JobSpec("menu", platform), heard)

    async def _run(
        self, member: Member, errand: JobSpec, heard: Callable[[msg.Commands], None] | None = None
    ) -> JobResult:
        name = member.profile.name

        def begin(job: str, pid: int) -> None:
            logger.info(
                "profile %s: cron job %r (%s) runs in process %d", name, job, errand.id, pid
            )

        conversation = JobConversation(member.profile, errand, heard)
        turn = JobRun(conversation, errand, member.settings, self._services, on_begin=begin)
        self._running[turn.id] = turn
        try:
            await self._dispatcher.run_job(turn)
        finally:
            del self._running[turn.id]
        _report(name, turn)
        return turn.ending


def _report(profile: str, turn: JobRun) -> None:
    """Log how a job ended, a line for each."""
    errand, ending = turn.errand, turn.ending
    level = logging.INFO if ending.outcome == "done" else logging.WARNING
    if ending.outcome in {"not_due", "busy"}:
        level = logging.DEBUG
    what = f"cron job {errand.name!r} ({errand.id})" if errand.kind == "cron" else errand.key
    text = f"{ending.outcome}: {ending.detail}" if ending.detail else ending.outcome
    logger.log(level, "profile %s: %s, process %s: %s", profile, what, ending.pid, text)


def count_as_running_jobs(jobs: Jobs) -> None:
    """Let Hermes see the jobs of routed profiles where it counts cron jobs that run: its drain."""
    try:
        scheduler: Any = importlib.import_module("cron.scheduler")
        own = scheduler.get_running_job_ids
    except (ImportError, AttributeError):  # a Hermes whose drain waits for no jobs
        return
    scheduler.get_running_job_ids = lambda: own() | jobs.running()
