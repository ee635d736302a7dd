"""One worker that does a job of its profile: a cron job, the home's upkeep, listing its commands.

It is started, watched, logged and ended like the worker of a turn. Nobody waits for it in a chat:
it occupies no lane and no place among the profile's turns, takes no worker that is prepared for a
message, and keeps nothing warm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from hermes_router.config.settings import Settings, Warm
from hermes_router.errors import RouterError
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.turns.ports import Conversation, TurnServices
from hermes_router.turns.purpose import Purpose
from hermes_router.turns.turn import Turn
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.process import WorkerOrder, WorkerProcess


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


class JobRun(Purpose):
    """A job and the ``turn`` of its worker; ``result`` is final when the turn has ended."""

    tells_people = False  # who started the job knows from its result what is to be told
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
        # how long a job may take is Hermes's to say, not the limit of a turn that a person awaits
        patient = msgspec.structs.replace(
            settings, timeouts=msgspec.structs.replace(settings.timeouts, turn=0.0)
        )
        self.spec = spec
        self.result = JobResult("died")
        self.turn = Turn(conversation, patient, services, received=time.monotonic(), purpose=self)
        self._on_begin = on_begin

    @property
    def profile(self) -> Profile:
        """Whose job it is."""
        return self.turn.conversation.profile

    async def start(self, workers: WorkerPool, order: WorkerOrder, _warm: Warm, /) -> WorkerProcess:
        """Take no worker that is prepared for a message, and keep nothing warm."""
        return await workers.start_aside(order)

    def greeted(self, hello: msg.Hello, /) -> None:
        """Keep the number of the process."""
        self.result = replace(self.result, pid=hello.pid)

    def heard(self, message: msg.FromWorker, /) -> bool:
        """Note that the job counts as run, and what came of it."""
        match message:
            case msg.Begun(name=name):
                self.result = replace(self.result, begun=True)
                self._on_begin(name, self.result.pid or 0)
            case msg.Ended(outcome=outcome, detail=detail):
                self.result = replace(self.result, outcome=outcome, detail=detail)
                if self.spec.kind == "cron" and outcome in {"done", "failed"}:
                    self.turn.story.job_ended("cron", outcome, detail)
                else:  # nobody asks for what the gateway does by itself
                    self.turn.story.forget()
            case _:
                return False
        return True

    def judge(self, failure: RouterError | None, /) -> RouterError | None:
        """Call it a failure when the worker left without a result."""
        if self.result.outcome != "died":
            return failure
        if failure is None and not self.turn.stopping:
            failure = RouterError("the worker left without saying what came of its job")
        if failure is not None:
            self.result = replace(self.result, detail=failure.message)
        return failure

    def header(self) -> Mapping[str, object]:
        """Name the job, if it has a name."""
        return {"job": self.spec.name} if self.spec.name else {}

    def outcome(self) -> Mapping[str, object]:
        """Say what came of the job."""
        return {"job": self.spec.key, "outcome": self.result.outcome}
