"""Where workers come from: one that waits, one forked from a template, or a cold start.

Per profile that is kept warm there is a template, a process that has imported everything under
that profile's home, and a few ready workers that it forked. A message consumes a ready worker; when
it is answered the next one is prepared. Whatever was prepared is thrown away instead of used when
the profile changed on disk, when it is older than allowed, or when it died: the turn then costs a
cold start at the most, never an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread

from hermes_router.config.settings import Settings, Warm
from hermes_router.errors import RouterError, TemplateUnfit
from hermes_router.profiles.fingerprint import Stamp, stamp_of
from hermes_router.profiles.model import Profile
from hermes_router.tasks import BackgroundTasks
from hermes_router.workers.launchers import launcher
from hermes_router.workers.memory_usage import footprint
from hermes_router.workers.process import WorkerOrder, WorkerProcess, start_worker
from hermes_router.workers.template import Template, templates_work_here
from hermes_router.workers.worker_log import WorkerLog

logger = logging.getLogger(__name__)

_SWEEP_SECONDS = 30.0

#: Templates that are started for one preparing; after that, the next turn or sweep tries again.
_TEMPLATE_ATTEMPTS = 2


@dataclass(slots=True)
class _ProfilePool:
    """What is kept warm for one profile."""

    order: WorkerOrder
    warm: Warm
    used: float
    template: Template | None = None
    ready: list[WorkerProcess] = field(default_factory=list)
    stamp: Stamp | None = None
    unfit: bool = False
    born: float = 0.0
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    gone: bool = False


class WorkerPool:
    """The source of all workers of a gateway.

    ``budget`` bounds the profiles that stay warm, ``memory_bytes`` what is prepared for all of them
    together; 0 of it is no bound.
    """

    def __init__(self, initial: Mapping[str, str], *, budget: int) -> None:
        self.budget = budget
        self.memory_bytes = 0
        self._initial = initial
        self._nests: dict[str, _ProfilePool] = {}
        self._preparing: dict[asyncio.Task[None], anyio.CancelScope] = {}
        self._ending = BackgroundTasks()
        self._sweeper: asyncio.Task[Any] | None = None
        self._closed = False

    def order(self, profile: Profile, settings: Settings) -> WorkerOrder:
        """Return what it takes to start a worker of ``profile``."""
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

    async def start(self, order: WorkerOrder, warm: Warm) -> WorkerProcess:
        """Return a worker for a message: prepared if one is there, else started now.

        Raises:
            ProfileError: the profile's home cannot be used.
            WorkerStartError: the system refused to start a process.
        """
        nest = self._note_use(order, warm)
        if nest is None:
            return await start_worker(order)
        if nest.template is not None and await self._stale(nest):
            self._clear(nest)
        while nest.ready:
            worker = nest.ready.pop(0)
            if not worker.ended:
                return worker
            self._end(worker.end())
        if nest.template is not None and nest.template.prepared:
            with contextlib.suppress(RouterError):
                return await self._forked(nest.template, order)
        return await start_worker(order)

    async def start_aside(self, order: WorkerOrder) -> WorkerProcess:
        """Return a worker for a job: nobody waits for it, so that it takes no ready worker.

        It is forked from a template that is there anyway, and keeps none alive; raises as
        :meth:`start` does.
        """
        nest = self._nests.get(order.profile.name)
        if nest is not None and nest.order == order and not await self._stale(nest):
            template = nest.template
            if template is not None and template.prepared:
                with contextlib.suppress(RouterError):
                    return await self._forked(template, order)
        return await start_worker(order)

    def resize(self, budget: int, memory_bytes: int = 0) -> None:
        """Set the budget; what no longer fits is let go of, the least recently used first.

        What is too much memory is let go of at the next sweep.
        """
        self.budget = budget
        self.memory_bytes = memory_bytes
        while len(self._nests) > budget:
            self._discard(min(self._nests, key=lambda name: self._nests[name].used))

    def keep_warm(self, profile: Profile, settings: Settings) -> None:
        """Prepare for a profile that nobody has written to yet, while the budget lasts."""
        if len(self._nests) < self.budget and profile.name not in self._nests:
            self._note_use(self.order(profile, settings), settings.warm)
            self.replenish(profile.name)

    def prepared(self, profile: str) -> bool:
        """Say whether a worker of the profile can be forked."""
        nest = self._nests.get(profile)
        return nest is not None and nest.template is not None and nest.template.prepared

    def idle(self) -> list[tuple[str, str, int, float]]:
        """Return what waits: each process's profile, its role, its id, the seconds it is there."""
        found, now = [], time.monotonic()
        for name, nest in self._nests.items():
            age = now - nest.born
            if nest.template is not None and not nest.template.ended:
                found.append((name, "template", nest.template.pid, age))
            ready = (worker for worker in nest.ready if not worker.ended)
            found += [(name, "ready", worker.pid, now - worker.born) for worker in ready]
        return found

    def replenish(self, profile: str) -> None:
        """See in the background that the profile has its template and its ready workers."""
        nest = self._nests.get(profile)
        if nest is not None and not self._closed:
            self._prepare(self._fill(nest))

    async def close(self) -> None:
        """End all that was prepared; nothing of it is left when this returns."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        # By its scope: a task that is cancelled from outside would not finish its clean-up.
        for scope in self._preparing.values():
            scope.cancel()
        await asyncio.gather(*self._preparing, return_exceptions=True)
        for nest in self._nests.values():
            self._clear(nest)
        await asyncio.gather(*self._ending, return_exceptions=True)

    # -- one profile ---------------------------------------------------------------------------

    def _note_use(self, order: WorkerOrder, warm: Warm) -> _ProfilePool | None:
        if not warm.enabled or self.budget < 1 or not templates_work_here():
            return None
        name, now = order.profile.name, time.monotonic()
        nest = self._nests.get(name)
        if nest is not None and (nest.order, nest.warm) != (order, warm):
            self._discard(name)
            nest = None
        if nest is None:
            nest = self._nests[name] = _ProfilePool(order, warm, now)
            self._keep_within_budget(name)
        nest.used = now
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep())
        return nest

    def _keep_within_budget(self, newest: str) -> None:
        while len(self._nests) > self.budget:
            oldest = min((n for n in self._nests if n != newest), key=lambda n: self._nests[n].used)
            self._discard(oldest)

    async def keep_within_memory(self) -> None:
        """Let go of the least recently used profiles until the rest fits into the budget."""
        while self.memory_bytes and self._nests:
            nests = self._nests.values()
            ready = [worker.pid for nest in nests for worker in nest.ready]
            templates = [nest.template.pid for nest in nests if nest.template is not None]
            used = await anyio.to_thread.run_sync(footprint, ready, templates)
            if used <= self.memory_bytes or not self._nests:
                return
            oldest = min(self._nests, key=lambda name: self._nests[name].used)
            logger.info(
                "%s is not kept warm: %d bytes are prepared, warm_budget.memory_bytes allows %d",
                *(oldest, used, self.memory_bytes),
            )
            self._discard(oldest)

    def _discard(self, name: str) -> None:
        nest = self._nests.pop(name)
        nest.gone = True
        self._clear(nest)

    async def _fill(self, nest: _ProfilePool) -> None:
        """Bring a nest up to what its settings want; a failure is logged and tried again later."""
        async with nest.lock:
            try:
                if nest.template is not None and await self._stale(nest):
                    self._clear(nest)
                if nest.template is None and await self._worth_a_try(nest):
                    await self._start_template(nest)
                if nest.template is None:
                    return
                nest.ready = [worker for worker in nest.ready if not worker.ended]
                while len(nest.ready) < nest.warm.ready and not nest.gone:
                    nest.ready.append(await self._forked(nest.template, nest.order))
            except TemplateUnfit as error:
                logger.warning("nothing can be prepared: %s", error)
                nest.unfit = True
            except RouterError as error:
                logger.warning("nothing could be prepared: %s", error)
                self._clear(nest)
            finally:
                if nest.gone:  # let go of meanwhile: nobody else would end what came since
                    self._clear(nest)

    async def _worth_a_try(self, nest: _ProfilePool) -> bool:
        """Say whether a template may do: one that may not fork may not until its home changes."""
        return not nest.unfit or await self._old(nest)

    async def _start_template(self, nest: _ProfilePool) -> None:
        """Start a template, again if its home changed meanwhile: it may know only half of that.

        In a new home, and after an update, the change is the template's own: it copies skills.
        """
        for _attempt in range(_TEMPLATE_ATTEMPTS):
            nest.stamp, nest.unfit = await _stamp(nest), False
            nest.born = time.monotonic()
            nest.template = await Template.start(nest.order)
            if not await self._stale(nest):
                return
            self._clear(nest)

    async def _forked(self, template: Template, order: WorkerOrder) -> WorkerProcess:
        worker = await start_worker(order, launch=template.launch)
        worker.prepared = True
        return worker

    async def _stale(self, nest: _ProfilePool) -> bool:
        """Say whether what is prepared may not be used any more."""
        template = nest.template
        return template is None or template.ended or await self._old(nest)

    async def _old(self, nest: _ProfilePool) -> bool:
        """Say whether what was found out when the template started may hold no more."""
        if time.monotonic() - nest.born > nest.warm.max_age:
            return True
        return await _stamp(nest) != nest.stamp

    def _clear(self, nest: _ProfilePool) -> None:
        """End what is prepared, in the background; workers that are in use go on."""
        ready, nest.ready = nest.ready, []
        template, nest.template = nest.template, None
        for worker in ready:
            self._end(worker.end())
        if template is not None:
            self._end(template.retire())

    async def _sweep(self) -> None:
        """Let go of profiles that nobody uses, and renew what became stale."""
        while True:
            await anyio.sleep(_SWEEP_SECONDS)
            now = time.monotonic()
            await self.keep_within_memory()
            for name, nest in list(self._nests.items()):
                if now - nest.used > nest.warm.keep:
                    self._discard(name)
                else:
                    self.replenish(name)

    def _prepare(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that may be given up."""
        scope = anyio.CancelScope()
        task = asyncio.create_task(_within(scope, work))
        self._preparing[task] = scope
        task.add_done_callback(self._preparing.pop)

    def _end(self, work: Coroutine[Any, Any, Any]) -> None:
        """End something, which is never given up."""
        self._ending.start(work)


async def _within(scope: anyio.CancelScope, work: Coroutine[Any, Any, None]) -> None:
    with scope:
        await work


async def _stamp(nest: _ProfilePool) -> Stamp:
    return await anyio.to_thread.run_sync(stamp_of, nest.order.profile)
