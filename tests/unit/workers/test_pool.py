"""What is prepared is bounded: in memory, in age, in number."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from dataclasses import replace as replace_order
from pathlib import Path
from typing import Any, cast

import anyio
import anyio.abc
import pytest
from msgspec.structs import replace

from hermes_router.base.errors import (
    HermesUpdated,
    NotWanted,
    ShortOfMemory,
    TemplateUnfit,
    WorkerStartError,
)
from hermes_router.config.settings import Settings, Warm
from hermes_router.profiles.model import Profile
from hermes_router.workers import pool, warm_profile
from hermes_router.workers.code import running_code
from hermes_router.workers.launchers import Child, LaunchSpec
from hermes_router.workers.memory.memory_usage import footprint
from hermes_router.workers.memory.memory_watch import Memory, MemoryWatch, Room
from hermes_router.workers.patience import Patience
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.process import WorkerOrder, WorkerProcess, start_worker
from hermes_router.workers.template import Template

WARM = Settings().warm
FIRST_READY = ("first", "ready")

HOLDS = 60_000_000
_HOLD = f"data = b'x' * {HOLDS}; print(flush=True); input()"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="templates need Linux")


class Prepared:
    """A ready worker or a template of which only its process is real."""

    prepared = True

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.born = time.monotonic()
        self.ended = False
        self.gone = anyio.Event()
        self.imported = anyio.Event()

    async def launch(self, _spec: object) -> Child:
        raise NotImplementedError("who starts workers here launches none")

    async def end(self) -> None:
        self.gone.set()

    async def retire(self) -> None:
        self.gone.set()


@pytest.fixture
def hold() -> Iterator[Callable[[], int]]:
    """Return what starts a process that holds some memory, below a shell that does not."""
    with ExitStack() as stack:

        def start() -> int:
            line = ["/bin/sh", "-c", f'"{sys.executable}" -c "{_HOLD}"; true']
            process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.enter_context(process)
            assert process.stdout is not None
            process.stdout.readline()
            return process.pid

        yield start


@dataclass
class Kept:
    """Workers of three profiles that were used one after the other; each has a ready one."""

    source: WorkerPool
    ready: dict[str, Prepared]
    started: list[Prepared] = field(default_factory=list)

    async def take(self, order: WorkerOrder, settings: Warm) -> object:
        return await self.source.start(order, settings)

    def order(self, name: str) -> WorkerOrder:
        return self.source._warm[name].order

    def warm(self, name: str) -> Any:
        return self.source._warm[name]

    @property
    def names(self) -> list[str]:
        return list(self.source._warm)


@pytest.fixture
async def kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hold: Callable[[], int]
) -> AsyncIterator[Kept]:
    made = Kept(WorkerPool(dict(os.environ), budget=3), {})

    async def cold(_order: object, **_more: object) -> Prepared:
        made.started.append(Prepared(os.getpid()))
        return made.started[-1]

    async def fails(order: WorkerOrder) -> Template:
        raise WorkerStartError("no template is started here", profile=order.profile.name)

    for module in (pool, warm_profile):
        monkeypatch.setattr(module, "start_worker", cold)
    monkeypatch.setattr(Template, "start", fails)
    for name in ("first", "second", "third"):
        home = tmp_path / "profiles" / name
        home.mkdir(parents=True)
        order = made.source.order(Profile(name, home), Settings())
        warm = made.source._note_use(order, WARM)
        assert warm is not None
        made.ready[name] = Prepared(hold())
        warm.template = cast("Template", Prepared(os.getpid()))
        warm.ready = [cast("WorkerProcess", made.ready[name])]
        warm.stamp, warm.born = await warm.newest_stamp(), time.monotonic()
    yield made
    await made.source.close()


def test_a_footprint_counts_a_tree_but_of_those_alone_only_themselves(
    hold: Callable[[], int],
) -> None:
    pid = hold()
    assert HOLDS < footprint([pid]) < 2 * HOLDS
    assert footprint([], [pid]) < HOLDS / 10
    assert footprint([2**22 + 1]) == 0


async def test_what_is_ready_serves_once(kept: Kept) -> None:
    order = kept.order("first")
    assert await kept.take(order, WARM) is kept.ready["first"]
    kept.warm("first").template.prepared = False
    assert await kept.take(order, WARM) is kept.started[0]


async def test_too_much_memory_costs_the_least_recently_used_its_warmth(kept: Kept) -> None:
    await kept.source.keep_within_memory()
    assert kept.names == ["first", "second", "third"]  # no budget is no limit
    kept.warm("first").used = time.monotonic()
    kept.source.resize(3, footprint([], [os.getpid()]) + 5 * HOLDS // 2)
    await kept.source.keep_within_memory()
    assert kept.names == ["first", "third"]
    await kept.source.close()
    assert kept.ready["second"].gone.is_set()


async def test_a_smaller_budget_keeps_those_that_were_used_last(kept: Kept) -> None:
    kept.warm("first").used = time.monotonic()
    kept.source.resize(2)
    assert kept.names == ["first", "third"]
    kept.source.resize(0)
    assert await kept.take(_order_of(kept), WARM) is kept.started[0]
    await kept.source.close()
    assert all(worker.gone.is_set() for worker in kept.ready.values())


async def test_what_is_older_than_allowed_serves_nobody(kept: Kept) -> None:
    """Secrets that a helper gave to a prepared process are never older."""
    order = kept.order("first")
    kept.warm("first").born -= WARM.max_age + 1
    assert await kept.take(order, WARM) is kept.started[0]
    await kept.source.close()
    assert kept.ready["first"].gone.is_set()


async def test_what_was_not_used_for_long_is_let_go_of(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(pool, "_MEMORY_SECONDS", 0.01)
    monkeypatch.setattr(kept.source, "replenish", lambda _name: None)
    kept.warm("second").used -= WARM.keep + 1
    sweeping = asyncio.create_task(kept.source._sweep())
    with anyio.fail_after(60):
        await kept.ready["second"].gone.wait()
    sweeping.cancel()
    assert kept.names == ["first", "third"]


async def test_short_memory_costs_what_is_prepared_before_a_turn_is_refused(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [10]
    kept.source.memory = MemoryWatch(lambda: Memory(free[0], 1000))
    kept.source.memory.reserve = 100
    monkeypatch.setattr(pool, "_ROOM_SECONDS", 0.2)
    with pytest.raises(ShortOfMemory):
        await kept.source.make_room()
    assert kept.names == []
    free[0] = 150
    await kept.source.make_room()
    assert not kept.source._may_prepare()
    free[0] = 900
    assert kept.source.memory.room(now=True)[0] is Room.ENOUGH
    assert kept.source._may_prepare()


async def test_what_is_prepared_is_let_go_of_when_memory_gets_tight(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.source.memory = MemoryWatch(lambda: Memory(150, 1000))
    kept.source.memory.reserve = 100
    monkeypatch.setattr(pool, "_MEMORY_SECONDS", 0.01)
    sweeping = asyncio.create_task(kept.source._sweep())
    with anyio.fail_after(60):
        for worker in kept.ready.values():
            await worker.gone.wait()
    sweeping.cancel()
    assert kept.names == []


async def test_a_round_that_fails_is_logged_and_the_next_one_comes(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [OSError(errno.EMFILE, "too many open files"), RuntimeError("no new thread")]

    def counted(*_pids: object) -> int:
        if failures:
            raise failures.pop()
        return 1

    monkeypatch.setattr(pool, "footprint", counted)
    monkeypatch.setattr(pool, "_SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(pool, "_MEMORY_SECONDS", 0.01)
    kept.source.memory_bytes = 1000
    kept.warm("second").used -= WARM.keep + 1
    monkeypatch.setattr(kept.source, "replenish", lambda _name: None)
    with anyio.fail_after(60):
        sweeping = asyncio.create_task(kept.source._sweep())
        await kept.ready["second"].gone.wait()
    assert not failures
    assert not sweeping.done()
    sweeping.cancel()
    assert caplog.text.count("were not looked after in this round") == 2


async def test_a_profile_that_cannot_be_prepared_is_tried_again_when_it_changed(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    async def refuse(order: WorkerOrder) -> Template:
        tried.append(order.profile.name)
        raise TemplateUnfit("threads are running", profile=order.profile.name)

    monkeypatch.setattr(Template, "start", refuse)
    warm = kept.warm("first")
    warm.template = None
    for _turn in range(3):
        await warm.fill()
    assert tried == ["first"]
    (warm.order.profile.home / "config.yaml").write_text("a: 1", "utf-8")
    await warm.fill()
    assert tried == ["first"] * 2
    warm.born -= WARM.max_age + 1
    await warm.fill()
    assert tried == ["first"] * 3


async def test_a_ready_worker_that_died_is_passed_over(kept: Kept) -> None:
    kept.ready["first"].ended = True
    kept.warm("first").template.prepared = False
    assert await kept.take(kept.order("first"), WARM) is kept.started[0]


@pytest.mark.parametrize(
    ("error", "kept_on"), [(TimeoutError(), False), (OSError(errno.EMFILE, "no file"), True)]
)
@pytest.mark.parametrize("job", [False, True], ids=["message", "job"])
async def test_only_a_template_that_does_not_answer_is_ended(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, error: OSError, *, kept_on: bool, job: bool
) -> None:
    """Also where no worker is kept ready, so that nothing but messages asks the template."""
    warm, order = kept.warm("first"), kept.order("first")
    template, warm.ready = warm.template, []
    asked = []

    async def launch(spec: LaunchSpec) -> Child:
        asked.append(spec.profile.name)
        raise error

    async def start() -> None:
        await (kept.source.start_aside(order) if job else kept.take(order, WARM))

    template.launch = launch
    monkeypatch.setattr(warm_profile, "start_worker", start_worker)
    await start()
    assert (warm.template is template) is kept_on
    await kept.source.close()
    assert template.gone.is_set()
    assert asked == ["first"]
    assert len(kept.started) == 1


async def test_a_reserved_worker_is_for_the_message_that_it_was_reserved_for(kept: Kept) -> None:
    order = kept.order("first")
    worker = kept.source.reserve(order, WARM)
    assert worker is not None
    assert worker == cast("WorkerProcess", kept.ready["first"])
    assert kept.source.reserve(order, WARM) is None
    assert [pid for name, role, pid, _age in kept.source.idle() if (name, role) == FIRST_READY] == [
        worker.pid
    ]
    kept.warm("first").template.prepared = False
    assert await kept.take(order, WARM) is kept.started[0]
    assert await kept.source.claim(worker, order, WARM)
    assert not await kept.source.claim(worker, order, WARM)
    kept.source.give_up(worker)
    await kept.source.close()
    assert not kept.ready["first"].gone.is_set()


@pytest.mark.parametrize("what", ["changed", "settings", "dropped", "ended", "given up", "closed"])
async def test_a_reserved_worker_that_is_out_of_date_is_not_claimed(kept: Kept, what: str) -> None:
    order = kept.order("first")
    worker = kept.source.reserve(order, WARM)
    assert worker is not None
    if what == "changed":
        (order.profile.home / "config.yaml").write_text("a: 1", "utf-8")
    elif what == "settings":
        order = replace_order(order, grace=99.0)
    elif what == "dropped":
        kept.source.resize(0)
    elif what == "ended":
        kept.ready["first"].ended = True
    elif what == "given up":
        kept.source.give_up(worker)
    else:
        await kept.source.close()
    assert not await kept.source.claim(worker, order, WARM)
    kept.source.give_up(worker)
    await kept.source.close()
    assert kept.ready["first"].gone.is_set()


@pytest.mark.parametrize("why", ["other settings", "no profile", "ended", "closed"])
async def test_nothing_is_reserved_where_nothing_is_ready(kept: Kept, why: str) -> None:
    order = kept.order("first")
    if why == "other settings":
        order = replace_order(order, grace=99.0)
    elif why == "no profile":
        kept.source.resize(0)
    elif why == "ended":
        kept.ready["first"].ended = True
    else:
        await kept.source.close()
    assert kept.source.reserve(order, WARM) is None


async def test_other_settings_are_another_preparation(kept: Kept) -> None:
    off = replace(WARM, enabled=False)
    order = replace_order(kept.order("first"), grace=99.0)
    assert await kept.take(order, WARM) is kept.started[0]
    assert await kept.take(order, off) is kept.started[1]
    await kept.source.close()
    assert kept.ready["first"].gone.is_set()


@pytest.mark.parametrize("what", ["changed", "dropped"])
async def test_a_worker_whose_profile_changes_while_it_is_forked_is_ended(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    warm, forked = kept.warm("first"), Prepared(os.getpid())
    forking, go_on = anyio.Event(), anyio.Event()

    async def fork(_template: object) -> Prepared:
        forking.set()
        await go_on.wait()
        return forked

    monkeypatch.setattr(warm, "_fork", fork)
    warm.ready = []
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(warm.fill)
            await forking.wait()
            if what == "dropped":
                kept.source._discard("first")
            else:
                warm.clear()  # as the profile's next message does
            go_on.set()
    assert warm.ready == []
    await kept.source.close()
    assert forked.gone.is_set()


class Preparing:
    """A template of the profile ``first`` that is prepared until the test lets it go on."""

    def __init__(self, kept: Kept, tasks: anyio.abc.TaskGroup) -> None:
        self._go_on, self._error = anyio.Event(), False
        self.template, self.forked = Prepared(os.getpid()), Prepared(os.getpid())
        self.begun = anyio.Event()
        warm = kept.warm("first")
        warm.template, warm.ready = None, []
        tasks.start_soon(warm.fill)

    async def start(self, order: WorkerOrder) -> Prepared:
        self.begun.set()
        await self._go_on.wait()
        if self._error:
            raise WorkerStartError("the template ended", profile=order.profile.name)
        return self.template

    async def fork(self, _template: object) -> Prepared:
        return self.forked

    def let_go_on(self, *, error: bool = False) -> None:
        self._error = error
        self._go_on.set()


@pytest.fixture
async def preparing(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[], Preparing]]:
    async with anyio.create_task_group() as tasks:

        def prepare() -> Preparing:
            made = Preparing(kept, tasks)
            monkeypatch.setattr(Template, "start", made.start)
            monkeypatch.setattr(kept.warm("first"), "_fork", made.fork)
            return made

        with anyio.fail_after(60):
            yield prepare


@asynccontextmanager
async def waiting_for(made: Preparing, kept: Kept) -> AsyncIterator[list[object]]:
    """Have a message wait for the template in the block; it has got what is in the list after."""
    await made.begun.wait()
    taken: list[object] = []

    async def take() -> None:
        taken.append(await kept.take(kept.order("first"), WARM))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        assert kept.warm("first").waiting == 1
        yield taken
    assert kept.warm("first").waiting == 0


async def test_a_message_waits_for_the_template_that_is_being_prepared(
    kept: Kept, preparing: Callable[[], Preparing]
) -> None:
    made = preparing()
    async with waiting_for(made, kept) as taken:
        made.let_go_on()
    assert taken == [made.forked]
    assert kept.started == []


async def test_a_message_starts_cold_where_the_template_fails(
    kept: Kept, preparing: Callable[[], Preparing]
) -> None:
    made = preparing()
    async with waiting_for(made, kept) as taken:
        made.let_go_on(error=True)
    assert taken == kept.started


async def test_a_template_that_knows_old_files_serves_no_message(
    kept: Kept, preparing: Callable[[], Preparing]
) -> None:
    made = preparing()
    async with waiting_for(made, kept) as taken:
        (kept.order("first").profile.home / "config.yaml").write_text("a: 1", "utf-8")
        made.let_go_on()
    assert taken == [made.forked], "by the template that was begun after it"
    assert made.template.gone.is_set()
    assert kept.started == []


async def test_a_message_that_is_given_up_waits_no_longer(
    kept: Kept, preparing: Callable[[], Preparing]
) -> None:
    made, patience = preparing(), Patience()
    await made.begun.wait()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.source.start, kept.order("first"), WARM, patience)
        await anyio.wait_all_tasks_blocked()
        assert kept.started == []
        patience.lose()
    assert len(kept.started) == 1
    made.let_go_on()


async def test_a_message_does_not_wait_for_a_profile_that_is_let_go(
    kept: Kept, preparing: Callable[[], Preparing]
) -> None:
    made, warm, order = preparing(), kept.warm("first"), kept.order("first")
    await made.begun.wait()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kept.take, order, WARM)
        await anyio.wait_all_tasks_blocked()
        assert (warm.waiting, kept.started) == (1, [])
        kept.source._discard("first")
    assert len(kept.started) == 1
    made.let_go_on()


async def test_no_worker_is_forked_for_a_message_that_waited_over_an_update(
    kept: Kept, preparing: Callable[[], Preparing], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = preparing()
    await made.begun.wait()

    async def updated(name: str) -> None:
        raise HermesUpdated("Hermes was updated", profile=name)

    async def take() -> None:
        with pytest.raises(HermesUpdated):
            await kept.take(kept.order("first"), WARM)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
        await anyio.wait_all_tasks_blocked()
        monkeypatch.setattr(running_code, "check", updated)
        made.let_go_on()
    assert kept.started == []


async def test_a_message_does_not_wait_for_ever(
    kept: Kept, preparing: Callable[[], Preparing], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_profile, "TEMPLATE_SECONDS", 0.05)
    made = preparing()
    await made.begun.wait()
    assert await kept.take(kept.order("first"), WARM) is kept.started[0]
    made.let_go_on()


async def test_a_message_that_waits_for_a_processor_takes_the_template_that_is_ready_before(
    kept: Kept, preparing: Callable[[], Preparing], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processor of the template goes to another profile, which waited longer."""
    monkeypatch.setattr(warm_profile, "TEMPLATE_SECONDS", 0.05)
    queue = kept.source._queue
    queue.processors = 1
    made = preparing()
    await made.begun.wait()
    taken: list[object] = []

    async def take() -> None:
        taken.append(await kept.take(kept.order("first"), WARM))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.enter, "other", lambda: True)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(take)
        while len(queue._waiting) < 2:  # noqa: ASYNC110 - it waits for the template first
            await anyio.sleep(0.01)
        made.let_go_on()
    assert taken == [made.forked]
    assert kept.started == []
    assert not queue._waiting
    assert [start.profile for start in queue._running] == ["other"]


async def test_a_message_that_finds_no_template_has_one_begun_and_waits_for_it(
    kept: Kept, preparing: Callable[[], Preparing]
) -> None:
    made = preparing()
    made.let_go_on()
    await anyio.wait_all_tasks_blocked()
    kept.warm("first").clear()
    assert await kept.take(kept.order("first"), WARM) is made.forked
    assert kept.started == []


async def test_the_template_of_a_message_begins_beside_templates_of_others(
    kept: Kept, preparing: Callable[[], Preparing]
) -> None:
    kept.source._queue.processors = 2
    async with kept.source._queue.place("other", lambda: False):
        made = preparing()
        await anyio.wait_all_tasks_blocked()
        assert not made.begun.is_set(), "for nobody it leaves a processor free"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kept.take, kept.order("first"), WARM)
            await made.begun.wait()
            made.let_go_on()
    assert kept.started == []


async def test_nothing_is_prepared_for_a_message_where_memory_is_short(
    kept: Kept, preparing: Callable[[], Preparing], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = preparing()
    made.let_go_on()
    await anyio.wait_all_tasks_blocked()
    kept.warm("first").clear()
    monkeypatch.setattr(kept.source, "_may_prepare", lambda: False)
    assert await kept.take(kept.order("first"), WARM) is kept.started[0]


@asynccontextmanager
async def busy(kept: Kept) -> AsyncIterator[None]:
    """Have other processes use both processors in the block."""
    kept.source._queue.processors = 2
    async with (
        kept.source._queue.place("busy", lambda: True),
        kept.source._queue.place("busy too", lambda: True),
    ):
        yield


async def test_where_no_processor_is_free_messages_share_a_template_that_begins_for_them(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm, template = kept.warm("first"), Prepared(os.getpid())
    warm.template, warm.ready = None, []
    began: list[str] = []

    async def start(order: WorkerOrder) -> Prepared:
        began.append(order.profile.name)
        return template

    monkeypatch.setattr(Template, "start", start)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks, busy(kept):
            for _ in range(3):
                tasks.start_soon(kept.take, kept.order("first"), WARM)
            await anyio.wait_all_tasks_blocked()
            assert (warm.waiting, began, kept.started) == (3, [], [])
    assert began == ["first"]
    assert all(worker.__dict__.get("prepared") for worker in kept.started)


@pytest.mark.parametrize("job", [False, True], ids=["message", "job"])
async def test_a_cold_worker_waits_for_a_processor(kept: Kept, *, job: bool) -> None:
    order = _order_of(kept)

    async def start() -> None:
        if job:
            await kept.source.start_aside(order)
        else:
            await kept.take(order, WARM)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks, busy(kept):
            tasks.start_soon(start)
            await anyio.wait_all_tasks_blocked()
            assert kept.started == []
    assert len(kept.started) == 1
    assert kept.source._queue._running, "it counts while it imports Hermes"
    kept.started[0].imported.set()
    await anyio.wait_all_tasks_blocked()
    assert not kept.source._queue._running


@pytest.mark.parametrize("late", [False, True], ids=["soon", "late"])
async def test_a_job_lets_messages_go_first_for_a_while(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, *, late: bool
) -> None:
    if late:
        monkeypatch.setattr(pool, "_JOB_SECONDS", 0.0)
    kept.source._queue.processors = 1
    begun: list[str] = []

    async def start(name: str, what: Any) -> None:
        await what
        begun.append(name)

    order = _order_of(kept)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            async with kept.source._queue.place("busy", lambda: True):
                tasks.start_soon(start, "job", kept.source.start_aside(order))
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(start, "message", kept.take(order, WARM))
                await anyio.wait_all_tasks_blocked()
            await anyio.wait_all_tasks_blocked()
            assert begun == (["job"] if late else ["message"])
            kept.started[0].imported.set()


async def test_a_worker_that_cannot_be_started_keeps_no_processor(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(order: WorkerOrder, **_more: object) -> Prepared:
        raise WorkerStartError("no process", profile=order.profile.name)

    monkeypatch.setattr(pool, "start_worker", refused)
    with pytest.raises(WorkerStartError):
        await kept.take(_order_of(kept), WARM)
    assert not kept.source._queue._running


@pytest.mark.parametrize("job", [False, True], ids=["message", "job"])
async def test_who_gives_up_waiting_gets_no_worker(kept: Kept, *, job: bool) -> None:
    """Else a gateway that stops would start one for each message that waits."""
    patience, order = Patience(), _order_of(kept)

    async def start() -> None:
        starting = (
            kept.source.start_aside(order, patience)
            if job
            else kept.source.start(order, WARM, patience)
        )
        with pytest.raises(NotWanted):
            await starting

    with anyio.fail_after(60):
        async with busy(kept), anyio.create_task_group() as tasks:
            tasks.start_soon(start)
            await anyio.wait_all_tasks_blocked()
            patience.give_up()
    assert kept.started == []
    assert not kept.source._queue._running


async def test_a_template_that_failed_is_not_waited_for_again(
    kept: Kept, preparing: Callable[[], Preparing]
) -> None:
    made = preparing()
    made.let_go_on(error=True)
    await anyio.wait_all_tasks_blocked()
    again = preparing()
    assert await kept.take(kept.order("first"), WARM) is kept.started[0]
    assert not again.begun.is_set()
    again.let_go_on()


async def test_a_message_that_waited_for_a_processor_gets_nothing_out_of_date(kept: Kept) -> None:
    warm = kept.warm("first")
    warm.ready = []
    warm.template.prepared = False
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks, busy(kept):
            tasks.start_soon(kept.take, kept.order("first"), WARM)
            await anyio.wait_all_tasks_blocked()
            warm.template.prepared = True
            (kept.order("first").profile.home / "config.yaml").write_text("a: 1", "utf-8")
    assert [worker.__dict__.get("prepared") for worker in kept.started] == [None]


async def test_nobody_waits_for_a_pool_that_is_closed(
    kept: Kept, preparing: Callable[[], Preparing]
) -> None:
    made = preparing()
    await made.begun.wait()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kept.take, kept.order("first"), WARM)
            await anyio.wait_all_tasks_blocked()
            tasks.start_soon(kept.source.close)
            made.let_go_on()


async def test_a_message_that_is_given_up_waits_for_no_processor(kept: Kept) -> None:
    patience = Patience()
    with anyio.fail_after(60):
        async with busy(kept), anyio.create_task_group() as tasks:
            tasks.start_soon(kept.source.start, _order_of(kept), WARM, patience)
            await anyio.wait_all_tasks_blocked()
            assert kept.started == []
            patience.lose()
    assert len(kept.started) == 1


async def test_profiles_with_messages_do_not_displace_each_other_with_each_message(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for _ in range(2):
        await kept.take(_order_of(kept), WARM)
    assert kept.names == ["first", "second", "third"]
    assert caplog.text.count("other is not kept warm") == 1
    monkeypatch.setattr(pool, "_KEPT_SECONDS", 0.0)
    kept.warm("first").waiting = 1
    await kept.take(_order_of(kept), WARM)
    assert kept.names == ["first", "second", "third"], "a message waits for it"
    kept.warm("first").waiting = 0
    await kept.take(_order_of(kept), WARM)
    assert kept.names == ["second", "third", "other"]


async def test_a_profile_without_messages_makes_room_for_one_that_has_some(kept: Kept) -> None:
    kept.warm("second").asked = False
    await kept.take(_order_of(kept), WARM)
    assert kept.names == ["first", "third", "other"]


def _order_of(kept: Kept) -> WorkerOrder:
    home = Path("/nonexistent/profiles/other")
    return kept.source.order(Profile("other", home), Settings())
