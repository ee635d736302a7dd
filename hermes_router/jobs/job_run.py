"""One worker that does a job of its profile: a cron job, the home's upkeep, listing its commands.

It is started, watched, logged and ended like the worker of a turn. Nobody waits for it in a chat:
it occupies no lane and no place among the profile's turns, takes no worker that is prepared for a
message, and keeps nothing warm.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from hermes_router.config.settings import Settings
from hermes_router.errors import RouterError
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.relay.attachments import Spool
from hermes_router.turns.ports import Conversation, TurnServices
from hermes_router.turns.turn import Turn
from hermes_router.workers.process import WorkerProcess


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a job worker is started for; ``id`` and ``name`` are a cron job's.

    A ``menu`` is that of the platform ``id``.
    """

    kind: Literal["cron", "upkeep", "menu"]
    id: str = ""
    name: str = ""
    lost: str | None = None

    @property
    def key(self) -> str:
        """What stands in the logs where a turn has its session."""
        return f"{self.kind}:{self.id}" if self.id else self.kind


@dataclass(frozen=True, slots=True)
class JobResult:
    """What came of it. ``outcome`` is ``died`` where the worker never said.

    ``begun``: the job counts as run.
    """

    outcome: Literal["done", "failed", "not_due", "busy", "died"]
    detail: str = ""
    begun: bool = False
    pid: int | None = None


class JobRun(Turn):
    """The life of a job's worker. ``ending`` is final when ``ended`` is set."""

    def __init__(
        self,
        conversation: Conversation,
        errand: JobSpec,
        settings: Settings,
        services: TurnServices,
        *,
        on_begin: Callable[[str, int], None] = lambda _name, _pid: None,
    ) -> None:
        # how long a job may take is Hermes's to say, not the limit of a turn that a person awaits
        patient = msgspec.structs.replace(
            settings, timeouts=msgspec.structs.replace(settings.timeouts, turn=0.0)
        )
        super().__init__(conversation, patient, services, received=time.monotonic())
        self.errand = errand
        self.ending = JobResult("died")
        self._on_begin = on_begin
        self._receiver.accepted = 1  # the job is this worker's one message

    @property
    def profile(self) -> Profile:
        """Whose job it is."""
        return self.conversation.profile

    async def _start(self) -> WorkerProcess:
        worker = await self._services.workers.start_aside(self._order)
        self._log.reached("start")
        return worker

    async def _connect(self, worker: WorkerProcess) -> msg.Hello:
        hello = await super()._connect(worker)
        self.ending = replace(self.ending, pid=hello.pid)
        return hello

    def _noted(self, message: msg.FromWorker) -> bool:
        match message:
            case msg.Begun(name=name):
                self.ending = replace(self.ending, begun=True)
                self._on_begin(name, self.ending.pid or 0)
            case msg.Ended(outcome=outcome, detail=detail):
                self.ending = replace(self.ending, outcome=outcome, detail=detail)
                if self.errand.kind == "cron" and outcome in {"done", "failed"}:
                    self.story.job_ended("cron", outcome, detail)
                else:  # nobody asks for what the gateway does by itself
                    self.story.forget()
            case _:
                return super()._noted(message)
        return True

    async def _close(self, spool: Spool) -> None:
        if self.ending.outcome == "died" and self.failure is None and not self._stopping:
            self.failure = RouterError("the worker left without saying what came of its job")
        if self.failure is not None and self.ending.outcome == "died":
            self.ending = replace(self.ending, detail=self.failure.message)
        await super()._close(spool)

    async def _apologise(self, *, answered: bool) -> None:
        """Say nothing here: who started the job knows from its ending what is to be told."""

    def _who(self) -> dict[str, object]:
        name = {"job": self.errand.name} if self.errand.name else {}
        return super()._who() | name

    def _log_end(self) -> None:
        self._log.line("job", {"job": self.errand.key, "outcome": self.ending.outcome})
        super()._log_end()
