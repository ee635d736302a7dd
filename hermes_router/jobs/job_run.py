"""Run one job of a profile in a worker: a cron job, maintenance of its home, or its command menu.

The worker is started, watched, logged and ended like the worker of a turn. But no person waits for
it. So it occupies no lane, does not count as a turn, takes no worker that is prepared for messages,
and does not keep the profile warm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from hermes_router.base.errors import RouterError
from hermes_router.config.settings import Settings, Warm
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.turns.ports import Conversation, TurnServices
from hermes_router.turns.purpose import Purpose
from hermes_router.turns.turn import Turn
from hermes_router.workers.patience import Patience
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.process import WorkerOrder, WorkerProcess


@dataclass(frozen=True, slots=True)
class JobSpec:
    """The job for which a worker is started: a cron job, maintenance of the home, or a menu.

    ``upkeep`` means maintenance. A ``menu`` job reports which commands the profile offers. ``id``
    and ``name`` are those of a cron job; for a menu, ``id`` is the platform. With ``lost``, a
    reason, the last worker of a cron job died: the job is not run, but Hermes records that it
    failed.
    """

    kind: Literal["cron", "upkeep", "menu"]
    id: str = ""
    name: str = ""
    lost: str | None = None

    @property
    def key(self) -> str:
        """The name of the job in the logs, in place of a turn's session."""
        return f"{self.kind}:{self.id}" if self.id else self.kind


@dataclass(frozen=True, slots=True)
class JobResult:
    """The result of a job's worker.

    ``not_due`` and ``busy`` mean that it did nothing; ``busy``: another process does the job.
    ``died`` means that the worker ended without a result. ``begun`` is True once the job counts as
    run. ``detail`` says why it failed, or what was done. ``pid`` is the worker's process id, None
    before its first message.
    """

    outcome: Literal["done", "failed", "not_due", "busy", "died"]
    detail: str = ""
    begun: bool = False
    pid: int | None = None


#: A maintenance that takes longer is ended: the other profiles' maintenance waits for it.
_MAINTENANCE_SECONDS = 3600.0


class JobRun(Purpose):
    """One run of a job: what its ``turn`` does differently from a turn that serves messages.

    The caller makes it, and gives ``turn`` to the dispatcher. When that has ended, ``result`` is
    final. ``on_begin`` is called with the job's name and the worker's process id when the worker
    begins the job.
    """

    tells_people = False  # the caller decides by the result what to tell people
    offered_again = False

    def __init__(
        self,
        conversation: Conversation,
        spec: JobSpec,
        settings: Settings,
        services: TurnServices,
        *,
        on_begin: Callable[[str, int], None] = lambda _name, _pid: None,
    ) -> None:
        # Hermes decides how long a cron job may take.
        longest = _MAINTENANCE_SECONDS if spec.kind == "upkeep" else 0.0
        patient = msgspec.structs.replace(
            settings, timeouts=msgspec.structs.replace(settings.timeouts, turn=longest)
        )
        self.spec = spec
        self.result = JobResult("died")
        self.turn = Turn(conversation, patient, services, received=time.monotonic(), purpose=self)
        self._on_begin = on_begin

    @property
    def profile(self) -> Profile:
        """The profile whose job it is."""
        return self.turn.conversation.profile

    async def start(
        self, workers: WorkerPool, order: WorkerOrder, _warm: Warm, patience: Patience, /
    ) -> WorkerProcess:
        """Start a worker for the job.

        A ready worker is left to messages, and none is prepared after it.
        """
        return await workers.start_aside(order, patience)

    def greeted(self, hello: msg.Hello, /) -> None:
        """Store the worker's process id, from its first message, in the result."""
        self.result = replace(self.result, pid=hello.pid)

    def heard(self, message: msg.FromWorker, /) -> bool:
        """Store in ``result`` that the job has begun or ended, if the worker's message says so.

        Returns False for every other message.
        """
        match message:
            case msg.Begun(name=name):
                self.result = replace(self.result, begun=True)
                self._on_begin(name, self.result.pid or 0)
            case msg.Ended(outcome=outcome, detail=detail):
                self.result = replace(self.result, outcome=outcome, detail=detail)
                if self.spec.kind == "cron" and outcome in {"done", "failed"}:
                    self.turn.story.job_ended("cron", outcome, detail)
                else:  # no report: a person asked only for cron jobs
                    self.turn.story.forget()
            case _:
                return False
        return True

    def judge(self, failure: RouterError | None, /) -> RouterError | None:
        """Return the error with which the turn ends, or None.

        If the worker has sent no result, this is an error, unless the gateway told it to end.
        """
        if self.result.outcome != "died":
            return failure
        if failure is None and not self.turn.stopping:
            failure = RouterError("the worker ended without the result of its job")
        if failure is not None:
            self.result = replace(self.result, detail=failure.message)
        return failure

    def header(self) -> Mapping[str, object]:
        """Return the job's name for the first log line, if it has one."""
        return {"job": self.spec.name} if self.spec.name else {}

    def outcome(self) -> Mapping[str, object]:
        """Return the job's name and its outcome, for the line about it in the worker log."""
        return {"job": self.spec.key, "outcome": self.result.outcome}
