"""The purpose of a worker, as far as its turn must know it: it serves messages or a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from hermes_router.base.errors import RouterError
from hermes_router.config.settings import Warm
from hermes_router.protocol import messages as msg
from hermes_router.workers.patience import Patience
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.process import WorkerOrder, WorkerProcess


class Purpose(Protocol):
    """The steps of a turn that differ between workers for messages and workers for jobs.

    A turn calls each of them; :class:`ForMessages` is for messages, ``JobRun`` for jobs.
    """

    #: Whether a notice tells the conversation how the worker ended.
    tells_people: bool
    #: Whether the next worker repeats all if this one ends before it has accepted a message.
    offered_again: bool

    async def start(
        self, workers: WorkerPool, order: WorkerOrder, warm: Warm, patience: Patience, /
    ) -> WorkerProcess:
        """Return a worker, prepared or new; raises the errors of :meth:`WorkerPool.start`.

        If a worker is just being prepared, this waits for it, at most until ``patience`` is given
        up.
        """

    def greeted(self, hello: msg.Hello, /) -> None:
        """Take what is needed from the worker's first message, for example its process id."""

    def heard(self, message: msg.FromWorker, /) -> bool:
        """Handle a message of the worker that the turn itself does not know.

        Returns False if this purpose does not expect it either: the turn then fails with a protocol
        error.
        """

    def judge(self, failure: RouterError | None, /) -> RouterError | None:
        """Return the error with which the turn ends, or None if it did not fail.

        ``failure`` is the error that the turn has found. A job may know better: it may be done, or
        have failed although the worker ended well.
        """

    def header(self) -> Mapping[str, object]:
        """Return further fields for the turn's first log line, such as the name of a job."""

    def outcome(self) -> Mapping[str, object]:
        """Return the fields of a line that the worker log gets just before the turn's last line.

        A job says there how it ended. If there are no fields, no such line is written.
        """


class ForMessages:
    """A worker that serves the messages of a conversation."""

    tells_people = True
    offered_again = True

    async def start(
        self, workers: WorkerPool, order: WorkerOrder, warm: Warm, patience: Patience, /
    ) -> WorkerProcess:
        """Take a prepared worker if there is one, else start one."""
        return await workers.start(order, warm, patience)

    def greeted(self, _hello: msg.Hello, /) -> None:
        """Do nothing: only jobs need the worker's first message."""

    def heard(self, _message: msg.FromWorker, /) -> bool:
        """Return False: no message is expected beyond those that every worker sends."""
        return False

    def judge(self, failure: RouterError | None, /) -> RouterError | None:
        """Return the error that the turn has found, unchanged."""
        return failure

    def header(self) -> Mapping[str, object]:
        """Return no further fields."""
        return {}

    def outcome(self) -> Mapping[str, object]:
        """Return no fields: the turn's own last line says how it ended."""
        return {}
