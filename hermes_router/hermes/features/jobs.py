"""Start and end the cron jobs and the maintenance of routed profiles.

:mod:`hermes_router.jobs.scheduler` sees what is due, and Hermes's own code in a job worker does the
work. This module gives that worker what only the gateway has.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hermes_router.base import tasks
from hermes_router.base.errors import ConfigError, ProfileError, RelayRefused
from hermes_router.config.settings import Schedule
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.hermes.compat import emergency_stop
from hermes_router.hermes.compat.replacing import patches, patching
from hermes_router.hermes.compat.seams import gateway_runner
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
from hermes_router.workers.code import own_code

logger = logging.getLogger(__name__)


class JobConversation:
    """What a turn gets in place of a conversation if its worker does a job.

    A job belongs to no chat. ``heard`` is called with the commands that a ``menu`` job reports.
    """

    def __init__(
        self, profile: Profile, spec: JobSpec, heard: Callable[[msg.Commands], None] | None = None
    ) -> None:
        self.profile = profile
        self.key = spec.key
        self._spec = spec
        self._heard = heard

    @property
    def sender(self) -> Sender:
        """The profile as the sender, without a place.

        What a job says of the place that it came from is not trusted.
        """
        return Sender(profile=self.profile.name)

    def start_message(
        self, *, turn_id: str, heartbeat: float, linger: float, delivery_scope: msg.DeliveryScope
    ) -> msg.Job:
        """Return the message that tells the worker about its job; times are seconds."""
        return msg.Job(
            turn=turn_id,
            kind=self._spec.kind,
            id=self._spec.id,
            lost=self._spec.lost,
            heartbeat=heartbeat,
            linger=linger,
            delivery_scope=delivery_scope,
        )

    async def execute(self, method: str, args: Mapping[str, Any], spool: Spool, ask: Ask) -> Any:
        """Refuse every adapter call: a job has no conversation; it sends by ``deliver`` messages.

        Raises:
            RelayRefused: always.
        """
        raise RelayRefused(
            "a job has no conversation of its own",
            call=method,
            target=self.key,
            profile=self.profile.name,
        )

    def offered(self, offers: msg.Commands) -> None:
        """Pass the commands on to the caller that started this job to look them up."""
        if self._heard is not None:
            self._heard(offers)

    def worker_ended(self) -> None:
        """Do nothing: a job calls no adapter."""

    async def notify(self, text: str) -> bool:
        """Log a line and return True: nobody waits for a job in a chat."""
        logger.warning("profile %s: %s: %s", self.profile.name, self.key, text)
        return True

    async def tell(self, text: str) -> None:
        """Log a line, as :meth:`notify` does; nothing is owed."""
        await self.notify(text)

    def note_works(self, turn_id: str, works: Sequence[str]) -> None:
        """Do nothing: there is no chat that a later gateway could tell."""

    def note_wakeup(self, at: float | None) -> None:
        """Do nothing: a job has no session."""


class Jobs:
    """Runs the cron jobs and the maintenance of the routed profiles of one gateway.

    ``root`` is the Hermes root. ``scheduler`` decides what is due.
    """

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
        """Start the scheduler as a task; it begins when the gateway's platforms are connected.

        From now on, Hermes also waits for running cron jobs of workers before the gateway stops.
        """
        patching.apply(patches.RUNNING_JOBS, lambda own: own() | self.running())
        self._task = asyncio.create_task(self._serve(), name="hermes-router-jobs")

    async def stop(self) -> None:
        """Start no more jobs, and do not wait for those that run: the dispatcher ends them."""
        await tasks.cancel(self._task)

    def running(self) -> frozenset[str]:
        """Return a name for each cron job that a worker runs now: ``profile:job id``.

        A gateway that is about to stop waits for these jobs.
        """
        return frozenset(
            f"{job.profile.name}:{job.spec.id}"
            for job in self._running.values()
            if job.spec.kind == "cron"
        )

    async def _serve(self) -> None:
        await gateway_runner.until_running(self._runner)
        await self.scheduler.serve()

    def _may_start(self) -> bool:
        return not (
            gateway_runner.shutting_down(self._runner)
            or gateway_runner.drained_externally(self._runner)
            or own_code.outdated()
        ) and gateway_runner.running(self._runner)

    def _schedule(self) -> Schedule:
        config = self._watcher.snapshot
        return config.schedule if config is not None else Schedule()

    async def members(self) -> list[Member]:
        """Return the existing profiles that the current routes name, with their settings.

        The list is empty if no configuration could be read.
        """
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
        """Start a worker that reports which commands a profile offers in a platform's menu.

        ``heard`` is called with the report. Returns when the worker has ended. While no job may
        start, for example because the gateway stops, nothing is done.
        """
        if self._may_start():
            await self._run(member, JobSpec("menu", platform), heard)

    async def _run(
        self, member: Member, spec: JobSpec, heard: Callable[[msg.Commands], None] | None = None
    ) -> JobResult:
        name = member.profile.name

        def begin(job: str, pid: int) -> None:
            logger.info("profile %s: cron job %r (%s) runs in process %d", name, job, spec.id, pid)

        conversation = JobConversation(member.profile, spec, heard)
        run = JobRun(conversation, spec, member.settings, self._services, on_begin=begin)
        self._running[run.turn.id] = run
        try:
            await self._dispatcher.run_job(run.turn)
        finally:
            del self._running[run.turn.id]
        _report(name, spec, run.result)
        return run.result


def _report(profile: str, spec: JobSpec, result: JobResult) -> None:
    """Log the end of a job, one line for each."""
    level = logging.INFO if result.outcome == "done" else logging.WARNING
    if result.outcome in {"not_due", "busy"}:
        level = logging.DEBUG
    what = f"cron job {spec.name!r} ({spec.id})" if spec.kind == "cron" else spec.key
    text = f"{result.outcome}: {result.detail}" if result.detail else result.outcome
    logger.log(level, "profile %s: %s, process %s: %s", profile, what, result.pid, text)
