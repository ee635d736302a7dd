"""The pool of workers: it hands out a ready worker, forks one from a template, or starts one cold.

Some profiles are kept warm: each has a template and a few ready workers, see
:mod:`~hermes_router.workers.warm_profile`. A message takes a ready worker, and after the answer the
pool prepares the next one. A message that finds no template waits for one: a cold worker would
answer no sooner, and the template would have to be prepared after it. How many profiles are kept
warm is limited by a budget, and by the memory that is free.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from hermes_router.base.errors import ShortOfMemory, StartRefused
from hermes_router.base.tasks import BackgroundTasks
from hermes_router.config.settings import Settings, Warm
from hermes_router.profiles.model import Profile
from hermes_router.workers.code import running_code
from hermes_router.workers.launchers import launcher
from hermes_router.workers.memory.memory_usage import footprint
from hermes_router.workers.memory.memory_watch import MemoryWatch, Room
from hermes_router.workers.patience import Patience
from hermes_router.workers.process import WorkerOrder, WorkerProcess, start_worker
from hermes_router.workers.starts.start_backoff import StartBackoff
from hermes_router.workers.starts.start_queue import Start, StartQueue
from hermes_router.workers.template import templates_work_here
from hermes_router.workers.unexpected_ends import UnexpectedEnds
from hermes_router.workers.warm_profile import Shared, WarmProfile, circumstances
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
        self._warm: dict[str, WarmProfile] = {}
        self._without_room: set[str] = set()
        self._preparing: dict[asyncio.Task[None], anyio.CancelScope] = {}
        self._ending = BackgroundTasks()
        self._importing = BackgroundTasks()
        self._queue = StartQueue()
        self._starts: dict[Path, StartBackoff] = {}
        self._sweeper: asyncio.Task[Any] | None = None
        self._closed = False
        self._shared = Shared(self._queue, self._ending, self.unexpected_ends, failures={})

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
        warm_profile = self._note_use(order, warm)
        if warm_profile is not None:
            await warm_profile.drop_stale()
        waits, place = warm_profile is None or not warm_profile.can_serve, None
        patience = patience or Patience()
        with patience.wait():
            if warm_profile is not None:
                await self._wait_for_template(warm_profile)
            while place is None and (warm_profile is None or not warm_profile.can_serve):
                place = await self._place_or_template(warm_profile, order)
        try:
            patience.require_wanted(order.profile.name)
            if waits:
                await running_code.check(order.profile.name)
                await self._refuse_too_early(order)
                if warm_profile is not None:
                    await warm_profile.drop_stale()
            worker = None if warm_profile is None else await warm_profile.worker()
            if worker is None:
                worker, place = await self._started_cold(order, place), None
        finally:
            self._queue.leave(place)
        return worker

    async def _place_or_template(
        self, warm_profile: WarmProfile | None, order: WorkerOrder
    ) -> Start | None:
        """Wait for a processor; return None if the profile can serve without one before that."""
        place = None
        async with anyio.create_task_group() as tasks:
            if warm_profile is not None:
                tasks.start_soon(_cancel_when_served, warm_profile, tasks.cancel_scope)
            place = await self._queue.enter(order.profile.name, lambda: True)
            tasks.cancel_scope.cancel()
        return place

    def reserve(self, order: WorkerOrder, warm: Warm) -> WorkerProcess | None:
        """Return a ready worker to be told a session whose message is about to come, or None.

        Each reserved worker must be passed to :meth:`claim` or :meth:`give_up`.
        """
        known = self._warm.get(order.profile.name)
        if known is None or (known.order, known.warm) != (order, warm) or self._closed:
            return None
        return known.reserve()

    async def claim(self, worker: WorkerProcess, order: WorkerOrder, warm: Warm) -> bool:
        """Take a reserved worker for its message; return False if it may not be used any more.

        That is so when the profile or its settings changed since :meth:`reserve`.

        Raises:
            HermesUpdated: Hermes was updated on disk, so no worker may be started.
        """
        await running_code.check(order.profile.name)
        warm_profile = self._note_use(order, warm)
        if warm_profile is None:
            return False
        if await warm_profile.stale():
            warm_profile.clear()
        return warm_profile.claim(worker)

    def give_up(self, worker: WorkerProcess) -> None:
        """End a reserved worker; do nothing if it is reserved no more."""
        for name, warm_profile in self._warm.items():
            if warm_profile.give_up(worker):
                self.replenish(name)

    async def _wait_for_template(self, warm_profile: WarmProfile) -> None:
        """Return when the profile's template is prepared, or when the attempt failed or is slow.

        If none is being prepared, one is begun: its first worker answers about as soon as one that
        is started cold, and the profile's next messages find it.
        """
        if not warm_profile.worth_waiting_for:
            return
        if not warm_profile.being_filled:
            if self._closed or not self._may_prepare():
                return
            self._prepare(warm_profile.fill())
        await warm_profile.wait_for_template()

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
        backoff.failed(why, await circumstances(order))

    def start_problem(self, profile: Profile) -> str:
        """Return why :meth:`start` refuses to start workers of a profile; "" if it does not."""
        backoff = self._starts.get(profile.home)
        return backoff.why if backoff is not None and backoff.doubtful else ""

    async def _refuse_too_early(self, order: WorkerOrder) -> None:
        backoff = self._starts.get(order.profile.home)
        if backoff is None or not backoff.doubtful:
            return
        seconds = backoff.wait(await circumstances(order))
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
        warm_profile = self._warm.get(order.profile.name)
        if warm_profile is not None and warm_profile.order == order:
            forked = None if await warm_profile.stale() else await warm_profile.forked()
            if forked is not None:
                return forked
        place, late = None, time.monotonic() + _JOB_SECONDS
        patience = patience or Patience()
        with patience.wait():
            place = await self._queue.enter(order.profile.name, lambda: time.monotonic() > late)
        try:
            patience.require_wanted(order.profile.name)
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
        for name in list(self._warm):
            self._discard(name)

    def resize(self, budget: int, memory_bytes: int = 0) -> None:
        """Set the limits of the pool: the number of warm profiles, and the bytes they may use.

        Profiles beyond ``budget`` are dropped at once, the least recently used first. Profiles
        beyond ``memory_bytes`` are dropped at the next sweep.
        """
        self.budget = budget
        self.memory_bytes = memory_bytes
        while len(self._warm) > budget:
            self._discard(self._least_recent())

    def keep_warm(self, profile: Profile, settings: Settings) -> None:
        """Begin to prepare workers of a profile that has none, before its first message.

        Do nothing if the profile is warm already, if enough profiles are warm, or if memory is
        short. This does not wait until they are ready.
        """
        known = profile.name in self._warm
        if len(self._warm) < self.budget and not known and self._may_prepare():
            self._note_use(self.order(profile, settings), settings.warm, asked=False)
            self.replenish(profile.name)

    def prepared(self, profile: str) -> bool:
        """Return True if the profile has a template that can fork a worker now."""
        warm_profile = self._warm.get(profile)
        return warm_profile is not None and warm_profile.prepared

    def idle(self) -> list[tuple[str, str, int, float]]:
        """Return each prepared process as profile, role, process id and age in seconds.

        The role is ``template``, or ``ready`` for a worker that waits for a message.
        """
        return [found for known in self._warm.values() for found in known.processes()]

    def replenish(self, profile: str) -> None:
        """Begin to start what a warm profile lacks of its template and ready workers; do not wait.

        Do nothing if the profile is not warm, or if memory is short.
        """
        warm_profile = self._warm.get(profile)
        if warm_profile is not None and not self._closed and self._may_prepare():
            self._prepare(warm_profile.fill())

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
        for warm_profile in self._warm.values():
            warm_profile.retire()
        await asyncio.gather(*self._ending, return_exceptions=True)

    # -- which profiles are kept warm ----------------------------------------------------------

    def _note_use(
        self, order: WorkerOrder, warm: Warm, *, asked: bool = True
    ) -> WarmProfile | None:
        """Return what is kept of a profile, or None if it is not kept warm now.

        ``asked`` says whether a message needs it.
        """
        if not warm.enabled or self.budget < 1 or not templates_work_here():
            return None
        name = order.profile.name
        known = self._warm.get(name)
        if known is not None and (known.order, known.warm) != (order, warm):
            self._discard(name)
            known = None
        if known is None:
            if not self._has_room():
                self._note_no_room(name)
                return None
            self._without_room.discard(name)
            known = self._warm[name] = WarmProfile(order, warm, self._shared)
        known.used, known.asked = time.monotonic(), known.asked or asked
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep())
        return known

    def _has_room(self) -> bool:
        """Return True if one more profile can be kept warm, perhaps in place of another one.

        A profile that has messages is not displaced for a minute: if more profiles than the budget
        allows displaced each other with each message, every message would cost a template that
        nobody uses.
        """
        if len(self._warm) < self.budget:
            return True
        name, least = min(self._warm.items(), key=lambda item: (item[1].asked, item[1].used))
        if least.waiting or (least.asked and time.monotonic() - least.used < _KEPT_SECONDS):
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

    def _least_recent(self) -> str:
        """Return the name of the warm profile that was used least recently."""
        return min(self._warm, key=lambda name: self._warm[name].used)

    def _discard(self, name: str) -> None:
        self._warm.pop(name).retire()

    async def keep_within_memory(self) -> None:
        """End prepared processes until the rest fits into ``memory_bytes``.

        Those of the profile that was used least recently end first. With 0 there is no limit.
        """
        while self.memory_bytes and self._warm:
            kept = self._warm.values()
            ready = [worker.pid for known in kept for worker in known.waiting_workers]
            templates = [known.template.pid for known in kept if known.template is not None]
            used = await anyio.to_thread.run_sync(footprint, ready, templates)
            if used <= self.memory_bytes or not self._warm:
                return
            oldest = self._least_recent()
            logger.info(
                "%s is not kept warm: prepared processes use %d bytes, warm_budget.memory_bytes "
                "allows %d",
                *(oldest, used, self.memory_bytes),
            )
            self._discard(oldest)

    async def _sweep(self) -> None:
        """Look after what is prepared until cancelled."""
        swept = time.monotonic()
        while True:
            await anyio.sleep(_MEMORY_SECONDS)
            due = time.monotonic() - swept >= _SWEEP_SECONDS
            if due:
                swept = time.monotonic()
            try:
                await self._look_after(all_of_it=due)
            except Exception:  # the next round may have what this one lacked, such as descriptors
                logger.exception("the prepared workers were not looked after in this round")

    async def _look_after(self, *, all_of_it: bool) -> None:
        """End what is prepared if memory is short; with ``all_of_it``, do the longer work too.

        That is to drop profiles that were not used for long, and to renew prepared processes.
        """
        if self._warm and not self._may_prepare():
            self._let_go_of_all()
        if not all_of_it:
            return
        await self.keep_within_memory()
        for name, known in list(self._warm.items()):
            if time.monotonic() - known.used > known.warm.keep:
                self._discard(name)
            else:
                self.replenish(name)

    # -- processes -----------------------------------------------------------------------------

    async def _started_cold(self, order: WorkerOrder, place: Start | None) -> WorkerProcess:
        """Start a worker that imports Hermes; if it starts, it keeps ``place`` until it has."""
        worker = await start_worker(order, launch=self.unexpected_ends.counting(order.launch))
        self._importing.start(self._queue.leave_after(worker.imported, place))
        return worker

    def _prepare(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` in the background; :meth:`close` cancels it."""
        scope = anyio.CancelScope()
        task = asyncio.create_task(_within(scope, work))
        self._preparing[task] = scope
        task.add_done_callback(self._preparing.pop)


async def _cancel_when_served(warm_profile: WarmProfile, scope: anyio.CancelScope) -> None:
    await warm_profile.wait_until_it_can_serve()
    scope.cancel()


async def _within(scope: anyio.CancelScope, work: Coroutine[Any, Any, None]) -> None:
    with scope:
        await work
