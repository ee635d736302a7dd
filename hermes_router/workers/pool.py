"""The pool of workers: it hands out a ready worker, forks one from a template, or starts one cold.

A profile that is kept warm has a template and a few ready workers. The template is a process that
has imported Hermes under the profile's home; it forks the ready workers. A message takes a ready
worker, and after the answer the pool prepares the next one. A message that finds no template waits
for one: a cold worker would answer no sooner, and the template would have to be prepared after it.
The pool ends prepared processes instead of using them if the profile changed on disk, if they are
too old, or if they died. The turn then waits for a new template, or starts cold.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Coroutine, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from hermes_router.base.errors import (
    HermesUpdated,
    NotWanted,
    RouterError,
    ShortOfMemory,
    StartRefused,
    TemplateUnfit,
)
from hermes_router.base.tasks import BackgroundTasks, Cancellable
from hermes_router.config.settings import Settings, Warm
from hermes_router.profiles.fingerprint import Stamp, obstacle_stamp_of, stamp_of
from hermes_router.profiles.model import Profile
from hermes_router.workers.code import own_code, running_code
from hermes_router.workers.launchers import launcher
from hermes_router.workers.memory.memory_usage import footprint
from hermes_router.workers.memory.memory_watch import MemoryWatch, Room
from hermes_router.workers.process import WorkerOrder, WorkerProcess, start_worker
from hermes_router.workers.starts.start_backoff import StartBackoff
from hermes_router.workers.starts.start_queue import TEMPLATE_SECONDS, Start, StartQueue
from hermes_router.workers.template import Template, templates_work_here
from hermes_router.workers.unexpected_ends import UnexpectedEnds
from hermes_router.workers.worker_log import WorkerLog

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 30.0

#: Seconds between two checks of the free memory.
_MEMORY_SECONDS = 5.0

#: Seconds that ended prepared processes get to free their memory before a message is refused.
_ROOM_SECONDS = 3.0

#: Seconds after its last message in which no other profile displaces a profile that is kept warm.
_KEPT_SECONDS = 60.0

#: Seconds after which a job waits for a processor no longer than a message does.
_JOB_SECONDS = 30.0

#: Maximum number of templates that are started in a row; the next turn or sweep tries again.
_TEMPLATE_ATTEMPTS = 2


@dataclass(slots=True)
class _ProfilePool:
    """The template and the ready workers of one profile (variables call it a nest)."""

    order: WorkerOrder
    warm: Warm
    used: float
    template: Template | None = None
    ready: list[WorkerProcess] = field(default_factory=list)
    reserved: list[WorkerProcess] = field(default_factory=list)  # told a session already
    stamp: tuple[Stamp, Path | None] | None = None
    unfit: bool = False
    born: float = 0.0
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    gone: bool = False
    asked: bool = False  # there was a message for it
    begun: bool = False  # a template is being prepared
    waiting: int = 0  # messages that wait for the template
    attempted: anyio.Event = field(default_factory=anyio.Event)

    @property
    def can_serve(self) -> bool:
        """True if a worker is ready, or can be forked now."""
        forks = self.template is not None and self.template.prepared and not self.gone
        return bool(self.ready) or forks

    @property
    def patience(self) -> float:
        """For how many seconds a message should wait for the template, at the most."""
        spent = time.monotonic() - self.born if self.begun else 0.0
        return TEMPLATE_SECONDS - spent

    @property
    def waiting_workers(self) -> list[WorkerProcess]:
        """The workers that wait for a message: ready ones and reserved ones."""
        return [*self.ready, *self.reserved]

    def tell(self) -> None:
        """Let the messages that wait see what an attempt to prepare a template has brought."""
        self.begun = False
        told, self.attempted = self.attempted, anyio.Event()
        told.set()


class Patience:
    """How long one turn waits for its worker; it may be made outside of the event loop."""

    def __init__(self) -> None:
        self.given_up = False
        self._waiting = Cancellable()

    def wait(self) -> AbstractContextManager[None]:
        """End what the block waits for when :meth:`lose` is called, or if it was called before."""
        return self._waiting.block()

    def lose(self) -> None:
        """Wait no longer for a processor or for what is being prepared: start a worker at once."""
        self._waiting.cancel()

    def give_up(self) -> None:
        """Wait no longer, and start no worker."""
        self.given_up = True
        self.lose()


class WorkerPool:
    """The source of all workers of a gateway.

    At most ``budget`` profiles are kept warm. All prepared processes together may use
    ``memory_bytes`` bytes; 0 means no limit.
    """

    def __init__(self, initial: Mapping[str, str], *, budget: int) -> None:
        self.budget = budget
        self.memory_bytes = 0
        self.memory = MemoryWatch()
        self.unexpected_ends = UnexpectedEnds()
        self._initial = initial
        self._nests: dict[str, _ProfilePool] = {}
        self._without_room: set[str] = set()
        self._preparing: dict[asyncio.Task[None], anyio.CancelScope] = {}
        self._ending = BackgroundTasks()
        self._importing = BackgroundTasks()
        self._queue = StartQueue()
        self._starts: dict[Path, StartBackoff] = {}
        self._templates: dict[Path, StartBackoff] = {}
        self._sweeper: asyncio.Task[Any] | None = None
        self._closed = False

    def order(self, profile: Profile, settings: Settings) -> WorkerOrder:
        """Return all that the start of a worker of ``profile`` needs; this starts no process."""
        return WorkerOrder(
            profile=profile,
            launch=launcher(settings.launcher),
            initial=self._initial,
            passed=settings.env.names,
            log=WorkerLog(
                profile.logs,
                max_bytes=settings.log.max_bytes,
                backups=settings.log.backups,
                as_json=settings.log.format == "json",
            ),
            grace=settings.timeouts.stop,
            sandbox=settings.sandbox,
            hardening=settings.hardening,
            share=settings.share,
            limits=settings.limits.of_a_tree(),
            together=settings.workers_at_once,
            mcp_ahead=settings.warm.mcp,
        )

    async def start(
        self, order: WorkerOrder, warm: Warm, patience: Patience | None = None
    ) -> WorkerProcess:
        """Return a worker for a message: a ready one, a forked one, or one that is started now.

        It may wait for the profile's template, or for a processor, as long as ``patience`` lasts.

        Raises:
            NotWanted: ``patience`` was given up.
            HermesUpdated: Hermes was updated on disk, so no worker may be started.
            ProfileError: the profile's home cannot be used.
            WorkerStartError: the system refused to start a process.
            StartRefused: the last workers never got ready, and the pause is not over yet.
        """
        await running_code.check(order.profile.name)
        await self._refuse_too_early(order)
        nest = self._note_use(order, warm)
        await self._drop_stale(nest)
        waits, place = nest is None or not nest.can_serve, None
        patience = patience or Patience()
        with patience.wait():
            if nest is not None:
                await self._wait_for_template(nest)
            if nest is None or not nest.can_serve:
                place = await self._queue.enter(order.profile.name, lambda: True)
        try:
            _require_wanted(patience, order)
            if waits:
                await running_code.check(order.profile.name)
                await self._refuse_too_early(order)
                await self._drop_stale(nest)
            worker = None if nest is None else await self._from_prepared(nest, order)
            if worker is None:
                worker, place = await self._started_cold(order, place), None
        finally:
            self._queue.leave(place)
        return worker

    async def _from_prepared(self, nest: _ProfilePool, order: WorkerOrder) -> WorkerProcess | None:
        """Return a ready worker, or one that the template forks; None if neither can serve."""
        while nest.ready:
            worker = nest.ready.pop(0)
            if not worker.ended:
                return worker
            self._end(worker.end())
        if nest.can_serve and nest.template is not None:
            with contextlib.suppress(RouterError):
                return await self._forked(nest.template, order)
        return None

    def reserve(self, order: WorkerOrder, warm: Warm) -> WorkerProcess | None:
        """Return a ready worker to be told a session whose message is about to come, or None.

        Each reserved worker must be passed to :meth:`claim` or :meth:`give_up`.
        """
        nest = self._nests.get(order.profile.name)
        if nest is None or (nest.order, nest.warm) != (order, warm) or self._closed:
            return None
        self._drop_ended(nest)
        if not nest.ready:
            return None
        worker = nest.ready.pop(0)
        nest.reserved.append(worker)
        return worker

    async def claim(self, worker: WorkerProcess, order: WorkerOrder, warm: Warm) -> bool:
        """Take a reserved worker for its message; return False if it may not be used any more.

        That is so when the profile or its settings changed since :meth:`reserve`.

        Raises:
            HermesUpdated: Hermes was updated on disk, so no worker may be started.
        """
        await running_code.check(order.profile.name)
        nest = self._note_use(order, warm)
        if nest is not None and await self._stale(nest):
            self._clear(nest)
        if nest is None or worker not in nest.reserved or worker.ended:
            return False
        nest.reserved.remove(worker)
        return True

    def give_up(self, worker: WorkerProcess) -> None:
        """End a reserved worker; do nothing if it is reserved no more."""
        for name, nest in self._nests.items():
            if worker in nest.reserved:
                nest.reserved.remove(worker)
                self._end(worker.end())
                self.replenish(name)

    async def _wait_for_template(self, nest: _ProfilePool) -> None:
        """Return when the profile's template is prepared, or when the attempt failed or is slow.

        If none is being prepared, one is begun: its first worker answers about as soon as one that
        is started cold, and the profile's next messages find it. Nobody waits for a template after
        one that failed.
        """
        failed = nest.order.profile.home in self._templates
        if failed or nest.template is not None or nest.patience <= 0:
            return
        if not nest.lock.locked():
            if self._closed or not self._may_prepare():
                return
            self._prepare(self._fill(nest))
        nest.waiting += 1
        try:
            self._queue.look()
            while (left := nest.patience) > 0 and not nest.gone:
                with anyio.move_on_after(left):
                    await nest.attempted.wait()
                    break
        finally:
            nest.waiting -= 1

    def works(self, profile: Profile) -> None:
        """Forget the profile's failed starts, because its worker asks the model or has answered.

        So :meth:`start` no longer refuses to start workers of this profile.
        """
        self._starts.pop(profile.home, None)

    async def never_ready(self, order: WorkerOrder, why: str) -> None:
        """Count a failed start of the profile's workers; ``why`` is the reason, for people.

        After two such failures in a row, :meth:`start` raises ``StartRefused`` for a while. The
        pause is about 2 s at first, and about 60 s at most.
        """
        backoff = self._starts.setdefault(order.profile.home, StartBackoff())
        backoff.failed(why, await _circumstances(order))

    def start_problem(self, profile: Profile) -> str:
        """Return why :meth:`start` refuses to start workers of a profile; "" if it does not."""
        backoff = self._starts.get(profile.home)
        return backoff.why if backoff is not None and backoff.doubtful else ""

    async def _refuse_too_early(self, order: WorkerOrder) -> None:
        backoff = self._starts.get(order.profile.home)
        if backoff is None or not backoff.doubtful:
            return
        seconds = backoff.wait(await _circumstances(order))
        if seconds:
            raise StartRefused(
                f"{backoff.why}. The next attempt is in {math.ceil(seconds)} s, or as soon as the "
                f"profile has changed; {order.log.path} may say more.",
                profile=order.profile.name,
            )

    async def start_aside(
        self, order: WorkerOrder, patience: Patience | None = None
    ) -> WorkerProcess:
        """Return a worker for a job. It takes no ready worker, because no person waits for a job.

        The worker is forked if the profile has a template, else started cold when no message needs
        a processor for that. A job does not keep the profile warm. ``patience`` and the errors are
        those of :meth:`start`.
        """
        await running_code.check(order.profile.name)
        nest = self._nests.get(order.profile.name)
        if nest is not None and nest.order == order and not await self._stale(nest):
            template = nest.template
            if template is not None and template.prepared:
                with contextlib.suppress(RouterError):
                    return await self._forked(template, order)
        place, late = None, time.monotonic() + _JOB_SECONDS
        patience = patience or Patience()
        with patience.wait():
            place = await self._queue.enter(order.profile.name, lambda: time.monotonic() > late)
        try:
            _require_wanted(patience, order)
            if place is not None:
                await running_code.check(order.profile.name)
            worker, place = await self._started_cold(order, place), None
        finally:
            self._queue.leave(place)
        return worker

    async def make_room(self) -> None:
        """Ensure that there is memory for a new turn; end all prepared processes if there is not.

        Raises:
            ShortOfMemory: memory is still short 3 s after the prepared processes were ended.
        """
        deadline = time.monotonic() + _ROOM_SECONDS
        looked = False
        while (found := self.memory.room(now=looked))[0] is Room.SHORT:
            self._let_go_of_all()
            if time.monotonic() >= deadline:
                raise ShortOfMemory(found[1])
            await anyio.sleep(_ROOM_SECONDS / 10)
            looked = True

    def _let_go_of_all(self) -> None:
        for name in list(self._nests):
            self._discard(name)

    def resize(self, budget: int, memory_bytes: int = 0) -> None:
        """Set the limits of the pool: the number of warm profiles, and the bytes they may use.

        Profiles beyond ``budget`` are dropped at once, the least recently used first. Profiles
        beyond ``memory_bytes`` are dropped at the next sweep.
        """
        self.budget = budget
        self.memory_bytes = memory_bytes
        while len(self._nests) > budget:
            self._discard(min(self._nests, key=lambda name: self._nests[name].used))

    def keep_warm(self, profile: Profile, settings: Settings) -> None:
        """Begin to prepare workers of a profile that has none, before its first message.

        Do nothing if the profile is warm already, if enough profiles are warm, or if memory is
        short. This does not wait until they are ready.
        """
        known = profile.name in self._nests
        if len(self._nests) < self.budget and not known and self._may_prepare():
            self._note_use(self.order(profile, settings), settings.warm, asked=False)
            self.replenish(profile.name)

    def prepared(self, profile: str) -> bool:
        """Return True if the profile has a template that can fork a worker now."""
        nest = self._nests.get(profile)
        return nest is not None and nest.template is not None and nest.template.prepared

    def idle(self) -> list[tuple[str, str, int, float]]:
        """Return each prepared process as profile, role, process id and age in seconds.

        The role is ``template``, or ``ready`` for a worker that waits for a message.
        """
        found, now = [], time.monotonic()
        for name, nest in self._nests.items():
            age = now - nest.born
            if nest.template is not None and not nest.template.ended:
                found.append((name, "template", nest.template.pid, age))
            ready = (worker for worker in nest.waiting_workers if not worker.ended)
            found += [(name, "ready", worker.pid, now - worker.born) for worker in ready]
        return found

    def replenish(self, profile: str) -> None:
        """Begin to start what a warm profile lacks of its template and ready workers; do not wait.

        Do nothing if the profile is not warm, or if memory is short.
        """
        nest = self._nests.get(profile)
        if nest is not None and not self._closed and self._may_prepare():
            self._prepare(self._fill(nest))

    def _may_prepare(self) -> bool:
        return self.memory.room()[0] is Room.ENOUGH

    async def close(self) -> None:
        """End all prepared processes; return when all are gone."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        # Cancel the scope, not the task: a cancelled task would not finish its clean-up.
        for scope in self._preparing.values():
            scope.cancel()
        await asyncio.gather(*self._preparing, return_exceptions=True)
        for nest in self._nests.values():
            nest.gone = True
            nest.tell()
            self._clear(nest)
        await asyncio.gather(*self._ending, return_exceptions=True)

    # -- one profile ---------------------------------------------------------------------------

    def _note_use(
        self, order: WorkerOrder, warm: Warm, *, asked: bool = True
    ) -> _ProfilePool | None:
        """Return what is kept of a profile, or None if it is not kept warm now.

        ``asked`` says whether a message needs it.
        """
        if not warm.enabled or self.budget < 1 or not templates_work_here():
            return None
        name, now = order.profile.name, time.monotonic()
        nest = self._nests.get(name)
        if nest is not None and (nest.order, nest.warm) != (order, warm):
            self._discard(name)
            nest = None
        if nest is None:
            if not self._has_room(now):
                self._note_no_room(name)
                return None
            self._without_room.discard(name)
            nest = self._nests[name] = _ProfilePool(order, warm, now)
        nest.used, nest.asked = now, nest.asked or asked
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep())
        return nest

    def _has_room(self, now: float) -> bool:
        """Return True if one more profile can be kept warm, perhaps in place of another one.

        A profile that has messages is not displaced for a minute: if more profiles than the budget
        allows displaced each other with each message, every message would cost a template that
        nobody uses.
        """
        if len(self._nests) < self.budget:
            return True
        name, nest = min(self._nests.items(), key=lambda item: (item[1].asked, item[1].used))
        if nest.waiting or (nest.asked and now - nest.used < _KEPT_SECONDS):
            return False
        self._discard(name)
        return True

    def _note_no_room(self, name: str) -> None:
        if name not in self._without_room:
            self._without_room.add(name)
            logger.info(
                "%s is not kept warm: all profiles that warm_budget.profiles allows, %d, had "
                "messages in the last minute",
                *(name, self.budget),
            )

    async def keep_within_memory(self) -> None:
        """End prepared processes until the rest fits into ``memory_bytes``.

        Those of the profile that was used least recently end first. With 0 there is no limit.
        """
        while self.memory_bytes and self._nests:
            nests = self._nests.values()
            ready = [worker.pid for nest in nests for worker in nest.waiting_workers]
            templates = [nest.template.pid for nest in nests if nest.template is not None]
            used = await anyio.to_thread.run_sync(footprint, ready, templates)
            if used <= self.memory_bytes or not self._nests:
                return
            oldest = min(self._nests, key=lambda name: self._nests[name].used)
            logger.info(
                "%s is not kept warm: prepared processes use %d bytes, warm_budget.memory_bytes "
                "allows %d",
                *(oldest, used, self.memory_bytes),
            )
            self._discard(oldest)

    def _discard(self, name: str) -> None:
        nest = self._nests.pop(name)
        nest.gone = True
        self._clear(nest)
        nest.tell()

    async def _fill(self, nest: _ProfilePool) -> None:
        """Start the missing template and ready workers of a profile.

        A failure is logged, and tried again later.
        """
        async with nest.lock:
            try:
                if nest.template is not None and await self._stale(nest):
                    self._clear(nest)
                await running_code.check(nest.order.profile.name)
                if nest.template is None and await self._worth_a_try(nest):
                    await self._start_template(nest)
                if (template := nest.template) is None:
                    return
                self._drop_ended(nest)
                while len(nest.waiting_workers) < nest.warm.ready and nest.template is template:
                    worker = await self._forked(template, nest.order)
                    if nest.template is template:
                        nest.ready.append(worker)
                    else:  # the profile changed, or was dropped, while the worker was forked
                        self._end(worker.end())
                self._templates.pop(nest.order.profile.home, None)
            except HermesUpdated:  # RunningCode.watch logs this once
                self._clear(nest)
            except TemplateUnfit as error:
                logger.warning("nothing can be prepared: %s", error)
                nest.unfit = True
            except RouterError as error:
                logger.warning("nothing could be prepared: %s", error)
                self._clear(nest)
                backoff = self._templates.setdefault(nest.order.profile.home, StartBackoff())
                backoff.failed(error.message, await _circumstances(nest.order))
            finally:
                nest.tell()
                if nest.gone:  # dropped meanwhile: end what was started since
                    self._clear(nest)

    def _drop_ended(self, nest: _ProfilePool) -> None:
        """Remove the ready workers that have ended, with what they left behind."""
        for worker in [worker for worker in nest.ready if worker.ended]:
            nest.ready.remove(worker)
            self._end(worker.end())

    async def _worth_a_try(self, nest: _ProfilePool) -> bool:
        """Return True if a new template may succeed.

        After a failed start, this is False for a while. After a template that cannot fork safely,
        it is False until the profile's home changes or the old result is too old.
        """
        backoff = self._templates.get(nest.order.profile.home)
        if backoff is not None and backoff.wait(await _circumstances(nest.order)):
            return False
        return not nest.unfit or await self._old(nest)

    async def _start_template(self, nest: _ProfilePool) -> None:
        """Start a template; start it again if the home changed meanwhile: it may know old files.

        In a new home, and after an update, the template itself changes the home: it copies skills.
        """
        for _attempt in range(_TEMPLATE_ATTEMPTS):
            async with self._queue.place(nest.order.profile.name, lambda: bool(nest.waiting)):
                if nest.gone:
                    return
                await running_code.check(nest.order.profile.name)
                nest.begun, nest.unfit, nest.born = True, False, time.monotonic()
                nest.stamp = await _stamp(nest)
                nest.template = await Template.start(nest.order)
            if not await self._stale(nest):
                nest.tell()
                return
            self._clear(nest)

    async def _started_cold(self, order: WorkerOrder, place: Start | None) -> WorkerProcess:
        """Start a worker that imports Hermes; if it starts, it keeps ``place`` until it has."""
        worker = await start_worker(order, launch=self.unexpected_ends.counting(order.launch))
        self._importing.start(self._queue.leave_after(worker.imported, place))
        return worker

    async def _forked(self, template: Template, order: WorkerOrder) -> WorkerProcess:
        launch = self.unexpected_ends.counting(template.launch)
        worker = await start_worker(order, launch=launch)
        worker.prepared = True
        return worker

    async def _drop_stale(self, nest: _ProfilePool | None) -> None:
        """End what is prepared of a profile if it may no longer be used."""
        if nest is not None and nest.template is not None and await self._stale(nest):
            self._clear(nest)

    async def _stale(self, nest: _ProfilePool) -> bool:
        """Return True if the prepared processes of a profile may no longer be used."""
        template = nest.template
        return template is None or template.ended or await self._old(nest)

    async def _old(self, nest: _ProfilePool) -> bool:
        """Return True if the template is too old, or the profile has changed since its start."""
        if time.monotonic() - nest.born > nest.warm.max_age:
            return True
        return await _stamp(nest) != nest.stamp

    def _clear(self, nest: _ProfilePool) -> None:
        """End the prepared processes of a profile in the background; workers in use go on."""
        waiting, nest.ready, nest.reserved = nest.waiting_workers, [], []
        template, nest.template = nest.template, None
        for worker in waiting:
            self._end(worker.end())
        if template is not None:
            if template.ended:
                self.unexpected_ends.add(nest.order.profile.name)
            self._end(template.retire())

    async def _sweep(self) -> None:
        """Drop profiles that were not used for long, and renew prepared processes; run forever."""
        swept = time.monotonic()
        while True:
            await anyio.sleep(_MEMORY_SECONDS)
            now = time.monotonic()
            if self._nests and not self._may_prepare():
                self._let_go_of_all()
            if now - swept < _SWEEP_SECONDS:
                continue
            swept = now
            await self.keep_within_memory()
            for name, nest in list(self._nests.items()):
                if now - nest.used > nest.warm.keep:
                    self._discard(name)
                else:
                    self.replenish(name)

    def _prepare(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` in the background; :meth:`close` cancels it."""
        scope = anyio.CancelScope()
        task = asyncio.create_task(_within(scope, work))
        self._preparing[task] = scope
        task.add_done_callback(self._preparing.pop)

    def _end(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run ``work``, which ends a process, in the background; :meth:`close` waits for it."""
        self._ending.start(work)


def _require_wanted(patience: Patience, order: WorkerOrder) -> None:
    if patience.given_up:
        raise NotWanted("no worker was started: nobody waits for it", profile=order.profile.name)


async def _within(scope: anyio.CancelScope, work: Coroutine[Any, Any, None]) -> None:
    with scope:
        await work


async def _stamp(nest: _ProfilePool) -> tuple[Stamp, Path | None]:
    """Return a value that changes when what was prepared is no longer what a cold start gives."""
    return await anyio.to_thread.run_sync(
        lambda: (stamp_of(nest.order.profile), own_code.selected())
    )


async def _circumstances(order: WorkerOrder) -> object:
    """Return a value that changes when a failing start may work: settings and relevant files."""
    return order, await anyio.to_thread.run_sync(obstacle_stamp_of, order.profile)
