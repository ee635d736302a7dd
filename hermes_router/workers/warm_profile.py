"""One profile that is kept warm: its template, and the ready workers that the template forked.

The template is a process that has imported Hermes under the profile's home. What is prepared is
ended instead of used if the profile changed on disk, if it is too old, or if it died.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from hermes_router.base.errors import HermesUpdated, RouterError, TemplateUnfit
from hermes_router.base.tasks import BackgroundTasks
from hermes_router.config.settings import Warm
from hermes_router.profiles.fingerprint import Stamp, obstacle_stamp_of, stamp_of
from hermes_router.workers.code import own_code, running_code
from hermes_router.workers.process import WorkerOrder, WorkerProcess, start_worker
from hermes_router.workers.starts.start_backoff import StartBackoff
from hermes_router.workers.starts.start_queue import TEMPLATE_SECONDS, StartQueue
from hermes_router.workers.template import Template
from hermes_router.workers.unexpected_ends import UnexpectedEnds

logger = logging.getLogger(__name__)

#: Maximum number of templates that are started in a row; the next turn or sweep tries again.
_TEMPLATE_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Shared:
    """What all warm profiles of one pool have in common.

    ``failures`` has the failed templates by the profile's home, also of profiles that are warm no
    more. ``ending`` runs, in the background, what ends processes.
    """

    queue: StartQueue
    ending: BackgroundTasks
    unexpected_ends: UnexpectedEnds
    failures: dict[Path, StartBackoff]


class WarmProfile:
    """The template and the ready workers of one profile; the pool has one for each warm profile.

    ``used`` is the monotonic time of its last message, and ``asked`` is True if there was a
    message. A ready worker waits for any message; a reserved one was told its session already.
    """

    def __init__(self, order: WorkerOrder, warm: Warm, shared: Shared) -> None:
        self.order = order
        self.warm = warm
        self.used = time.monotonic()
        self.asked = False
        self.template: Template | None = None
        self.ready: list[WorkerProcess] = []
        self.reserved: list[WorkerProcess] = []  # told a session already
        self.born = 0.0
        self.stamp: tuple[Stamp, Path | None] | None = None
        self.waiting = 0  # messages that wait for the template
        self._shared = shared
        self._unfit = False
        self._retired = False
        self._begun = False  # a template is being prepared
        self._filling = anyio.Lock()
        self._attempted = anyio.Event()

    # -- what there is -------------------------------------------------------------------------

    @property
    def prepared(self) -> bool:
        """True if there is a template that can fork a worker now."""
        return self.template is not None and self.template.prepared

    @property
    def can_serve(self) -> bool:
        """True if a worker is ready, or can be forked now."""
        return bool(self.ready) or (self.prepared and not self._retired)

    @property
    def waiting_workers(self) -> list[WorkerProcess]:
        """The workers that wait for a message: ready ones and reserved ones."""
        return [*self.ready, *self.reserved]

    @property
    def being_filled(self) -> bool:
        """True while :meth:`fill` runs."""
        return self._filling.locked()

    @property
    def worth_waiting_for(self) -> bool:
        """True if a message should wait for the template, which may not have been begun yet.

        Nobody waits for a template after one that failed, nor longer than 30 s.
        """
        failed = self.order.profile.home in self._shared.failures
        return not failed and self.template is None and self._seconds_left() > 0

    def processes(self) -> Iterator[tuple[str, str, int, float]]:
        """Yield each prepared process as profile, role, process id and age in seconds.

        The status shows them. The role is ``template``, or ``ready`` for a worker that waits for a
        message.
        """
        name, now = self.order.profile.name, time.monotonic()
        if self.template is not None and not self.template.ended:
            yield name, "template", self.template.pid, now - self.born
        for worker in self.waiting_workers:
            if not worker.ended:
                yield name, "ready", worker.pid, now - worker.born

    async def stale(self) -> bool:
        """Return True if the prepared processes may no longer be used, or if there is no template.

        This is so if the template has ended or is too old, or if the profile has changed since its
        start.
        """
        return self.template is None or self.template.ended or await self._old()

    # -- taking a worker -----------------------------------------------------------------------

    async def worker(self) -> WorkerProcess | None:
        """Return a ready worker, or one that the template forks; None if neither can serve."""
        while self.ready:
            worker = self.ready.pop(0)
            if not worker.ended:
                return worker
            self._end(worker.end())
        return await self.forked() if self.can_serve else None

    async def forked(self) -> WorkerProcess | None:
        """Return a worker that the template forks now; None if it cannot.

        A template that does not answer is ended: each later message would wait for it as long.
        """
        template = self.template
        if template is None or not template.prepared:
            return None
        try:
            return await self._fork(template)
        except RouterError as error:
            if isinstance(error.__cause__, TimeoutError) and self.template is template:
                logger.warning("the template %d does not answer: %s", template.pid, error)
                self.clear()
        return None

    def reserve(self) -> WorkerProcess | None:
        """Return a ready worker for a message that is about to come, or None if none is ready.

        The caller tells it the session. No other message gets it, until :meth:`claim` or
        :meth:`give_up`.
        """
        self.drop_ended()
        if not self.ready:
            return None
        worker = self.ready.pop(0)
        self.reserved.append(worker)
        return worker

    def claim(self, worker: WorkerProcess) -> bool:
        """Take a reserved worker for its message; return False if it may not be used any more.

        That is so if it has ended, or if what was prepared was dropped meanwhile.
        """
        if worker not in self.reserved or worker.ended:
            return False
        self.reserved.remove(worker)
        return True

    def give_up(self, worker: WorkerProcess) -> bool:
        """End a reserved worker, whose message did not come; return False if it is none."""
        if worker not in self.reserved:
            return False
        self.reserved.remove(worker)
        self._end(worker.end())
        return True

    async def wait_for_template(self) -> None:
        """Wait for the template that is being prepared, because a message needs a worker of it.

        Returns when the template is prepared, when the attempt failed, or 30 s after its begin. The
        caller then looks what there is.
        """
        self.waiting += 1
        try:
            self._shared.queue.look()
            while (left := self._seconds_left()) > 0 and not self._retired:
                with anyio.move_on_after(left):
                    await self._attempted.wait()
                    break
        finally:
            self.waiting -= 1

    async def wait_until_it_can_serve(self) -> None:
        """Return as soon as a worker is ready, or can be forked."""
        while not self.can_serve:
            await self._attempted.wait()

    def _seconds_left(self) -> float:
        """Return for how many seconds a message should wait for the template, at the most."""
        spent = time.monotonic() - self.born if self._begun else 0.0
        return TEMPLATE_SECONDS - spent

    # -- preparing -----------------------------------------------------------------------------

    async def fill(self) -> None:
        """Start the missing template and ready workers.

        A failure is logged, and tried again later.
        """
        async with self._filling:
            try:
                await self.drop_stale()
                await running_code.check(self.order.profile.name)
                if self.template is None and await self._worth_a_try():
                    await self._start_template()
                if self.template is None:
                    return
                await self._fork_ready(self.template)
                self._shared.failures.pop(self.order.profile.home, None)
            except HermesUpdated:  # RunningCode.watch logs this once
                self.clear()
            except TemplateUnfit as error:
                logger.warning("nothing can be prepared: %s", error)
                self._unfit = True
            except RouterError as error:
                logger.warning("nothing could be prepared: %s", error)
                self.clear()
                backoff = self._shared.failures.setdefault(self.order.profile.home, StartBackoff())
                backoff.failed(error.message, await circumstances(self.order))
            finally:
                self._tell()
                if self._retired:  # dropped meanwhile: end what was started since
                    self.clear()

    async def _fork_ready(self, template: Template) -> None:
        self.drop_ended()
        while len(self.waiting_workers) < self.warm.ready and self.template is template:
            worker = await self._fork(template)
            if self.template is template:
                self.ready.append(worker)
            else:  # the profile changed, or was dropped, while the worker was forked
                self._end(worker.end())

    async def _start_template(self) -> None:
        """Start a template; start it again if the home changed meanwhile: it may know old files.

        In a new home, and after an update, the template itself changes the home: it copies skills.
        """
        for _attempt in range(_TEMPLATE_ATTEMPTS):
            async with self._shared.queue.place(
                self.order.profile.name, lambda: bool(self.waiting)
            ):
                if self._retired:
                    return
                await running_code.check(self.order.profile.name)
                self._begun, self._unfit, self.born = True, False, time.monotonic()
                self.stamp = await self.newest_stamp()
                self.template = await Template.start(self.order)
            if not await self.stale():
                self._tell()
                return
            self.clear()

    async def _worth_a_try(self) -> bool:
        """Return True if a new template may succeed.

        After a failed start, this is False for a while. After a template that cannot fork safely,
        it is False until the profile's home changes or the old result is too old.
        """
        backoff = self._shared.failures.get(self.order.profile.home)
        if backoff is not None and backoff.wait(await circumstances(self.order)):
            return False
        return not self._unfit or await self._old()

    async def _fork(self, template: Template) -> WorkerProcess:
        launch = self._shared.unexpected_ends.counting(template.launch)
        worker = await start_worker(self.order, launch=launch)
        worker.prepared = True
        return worker

    def _tell(self) -> None:
        """Let the messages that wait see what an attempt to prepare a template has brought."""
        self._begun = False
        told, self._attempted = self._attempted, anyio.Event()
        told.set()

    # -- ending --------------------------------------------------------------------------------

    async def drop_stale(self) -> None:
        """End what is prepared if it may no longer be used."""
        if self.template is not None and await self.stale():
            self.clear()

    def drop_ended(self) -> None:
        """Remove the ready workers that have ended, with what they left behind."""
        for worker in [worker for worker in self.ready if worker.ended]:
            self.ready.remove(worker)
            self._end(worker.end())

    def clear(self) -> None:
        """End the prepared processes in the background; workers that serve a message go on.

        The profile stays warm: the next :meth:`fill` prepares new ones.
        """
        waiting, self.ready, self.reserved = self.waiting_workers, [], []
        template, self.template = self.template, None
        for worker in waiting:
            self._end(worker.end())
        if template is not None:
            if template.ended:
                self._shared.unexpected_ends.add(self.order.profile.name)
            self._end(template.retire())

    def retire(self) -> None:
        """Keep the profile warm no more: end what is prepared, and what is being prepared.

        The pool calls this when it drops the profile, and at the gateway's stop.
        """
        self._retired = True
        self.clear()
        self._tell()

    async def _old(self) -> bool:
        """Return True if the template is too old, or the profile has changed since its start."""
        if time.monotonic() - self.born > self.warm.max_age:
            return True
        return await self.newest_stamp() != self.stamp

    async def newest_stamp(self) -> tuple[Stamp, Path | None]:
        """Return a value that changes when prepared processes would differ from newly started ones.

        It changes with the profile's files and with Hermes's dependencies. ``stamp`` is the value
        at the template's start.
        """
        return await anyio.to_thread.run_sync(
            lambda: (stamp_of(self.order.profile), own_code.selected())
        )

    def _end(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run ``work``, which ends a process, in the background."""
        self._shared.ending.start(work)


async def circumstances(order: WorkerOrder) -> object:
    """Return a value that changes when a failing start may work: settings and relevant files.

    It is the ``seen`` of :class:`StartBackoff`.
    """
    return order, await anyio.to_thread.run_sync(obstacle_stamp_of, order.profile)
