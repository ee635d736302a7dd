"""What a worker is for, as far as its turn must know: a message of a conversation, or a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hermes_router.config.settings import Warm
from hermes_router.errors import RouterError
from hermes_router.protocol import messages as msg
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.process import WorkerOrder, WorkerProcess


class Purpose(Protocol):
    """What differs between the workers of messages and those of jobs."""

    #: Whether the conversation is told how the worker ended.
    tells_people: bool
    #: Whether the next worker does it all if this one ends before it took a message.
    offered_again: bool

    async def start(self, workers: WorkerPool, order: WorkerOrder, warm: Warm, /) -> WorkerProcess:
        """Return a worker; raises as :meth:`WorkerPool.start` does."""

    def greeted(self, hello: msg.Hello, /) -> None:
        """Take note of the worker's first message."""

    def heard(self, message: msg.FromWorker, /) -> bool:
        """Take note of a message that only this purpose expects; say whether it was one."""

    def judge(self, failure: RouterError | None, /) -> RouterError | None:
        """Return what went wrong, if something did; ``failure`` is what the turn knows of it."""

    def header(self) -> Mapping[str, object]:
        """Return what the turn's first log line says besides."""

    def outcome(self) -> Mapping[str, object]:
        """Return what a log line of its own says at the end; nothing: there is none."""


class ForMessages:
    """A worker that serves the messages of a conversation."""

    tells_people = True
    offered_again = True

    async def start(self, workers: WorkerPool, order: WorkerOrder, warm: Warm, /) -> WorkerProcess:
        """Take a prepared worker where there is one."""
        return await workers.start(order, warm)

    def greeted(self, _hello: msg.Hello, /) -> None:
        """Nothing follows from it."""

    def heard(self, _message: msg.FromWorker, /) -> bool:
        """Expect nothing more than every worker says."""
        return False

    def judge(self, failure: RouterError | None, /) -> RouterError | None:
        """Leave it at what the turn knows."""
        return failure

    def header(self) -> Mapping[str, object]:
        """Say nothing besides."""
        return {}

    def outcome(self) -> Mapping[str, object]:
        """Have no line: the turn's own tells it."""
        return {}
