"""A session tells the gateway that all is done, but not while a message is on its way to Hermes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from hermes_router.config.settings import Timeouts
from hermes_router.protocol import messages as msg
from hermes_router_worker.hermes.session import continuation, queues
from hermes_router_worker.session import session as session_module
from hermes_router_worker.session.session import Session


async def nothing(*_args: object) -> None:
    pass


class Played(Session):
    """A session whose Hermes, gateway and message handling are played by the test.

    ``coming`` counts the messages on their way to Hermes. ``busy`` says whether it works on one.
    ``paused`` is called each time when it waits for a change.
    """

    def __init__(self) -> None:
        self.sent: list[msg.Message] = []
        self.coming, self.busy, self.resident = 1, False, False
        self.held: list[Any] = []
        self.paused: Callable[[], object] = list
        self._finish, self._changed = asyncio.Event(), asyncio.Event()
        self._results_adopted = True
        self._told = []
        self._runner: Any = SimpleNamespace(session_store=SimpleNamespace())
        self._start = cast("Any", SimpleNamespace(session_key="key", linger=0))
        self._link = cast("Any", SimpleNamespace(send=self._note))
        self._receiver = cast(
            "Any",
            SimpleNamespace(
                open=True,
                resumes=True,
                coming=["prepared"],
                handling=lambda: self.coming > 0,
                handing=lambda: False,
            ),
        )
        self._owed = cast(
            "Any",
            SimpleNamespace(
                busy=lambda: self.busy,
                resident=lambda: self.resident,
                finishing=lambda: False,
                works=list,
                unfinished=list,
            ),
        )
        self._memory = cast(
            "Any",
            SimpleNamespace(
                save=lambda: None, hold_queue=self.held.extend, next_queued=lambda: None
            ),
        )
        self._progress = cast(
            "Any", SimpleNamespace(tell=nothing, tell_last=self._tell_last, gave_back=list)
        )
        self._debts = cast("Any", SimpleNamespace(pay=list, paid=lambda: True))
        self._background = cast("Any", SimpleNamespace(pass_on=nothing))

    async def _note(self, message: msg.Message) -> None:
        self.sent.append(message)

    async def _tell_last(self, hold: Callable[[], object]) -> None:
        hold()

    async def _tell_wakeup(self) -> None:
        """Nothing wakes it."""

    async def _pause(self) -> None:
        self.paused()
        await super()._pause()

    _tell_commands = _tell_wakeup

    def _show(self, role: str) -> None:
        """It has no process of its own."""


@pytest.fixture
async def session(monkeypatch: pytest.MonkeyPatch) -> Played:
    async def no_turn_runs(*_args: object) -> bool:
        return False

    monkeypatch.setattr(continuation, "mark", no_turn_runs)
    monkeypatch.setattr(continuation, "interrupt_reason", str)
    monkeypatch.setattr(queues, "interrupt", lambda *_args: None)
    return Played()


async def run(session: Played) -> None:
    """Run a session to its end."""
    with anyio.fail_after(20):
        await session._until_done()


@pytest.mark.parametrize("step", ["_adopt_results", "_tell_wakeup"])
@pytest.mark.parametrize("resident", [True, False])
async def test_a_message_that_comes_while_it_looks_around_is_answered_first(
    session: Played, monkeypatch: pytest.MonkeyPatch, step: str, *, resident: bool
) -> None:
    looks, pauses = iter([True]), itertools.count()
    session.resident = resident

    async def look() -> None:
        if next(looks, False):
            session.coming = 1
            session.sent.append(msg.Accepted(event=2))

    def paused() -> None:
        if not session.sent or next(pauses) == 3:
            session.coming = 0
        if session.coming:
            assert session.sent == [msg.Accepted(event=2)]
        elif len(session.sent) > 1:
            session.resident = False

    monkeypatch.setattr(session, step, look)
    session.paused = paused
    await run(session)
    assert session.sent[:2] == [msg.Accepted(event=2), msg.Idle(resident=resident)]
    assert next(pauses) > 3


async def test_a_stop_leaves_a_message_on_its_way_to_hermes_to_the_next_gateway(
    session: Played,
) -> None:
    session._finish.set()
    await run(session)
    assert session.held == ["prepared"]
    assert session.sent == [msg.Idle(cut_off=True)]


@pytest.mark.parametrize("resident", [True, False])
async def test_a_message_that_comes_together_with_a_stop_is_not_reported_as_answered(
    session: Played, monkeypatch: pytest.MonkeyPatch, *, resident: bool
) -> None:
    session.coming, session.resident = 0, resident
    session._changed.set()

    async def comes() -> None:  # the message is accepted, and Hermes does not get it
        session._finish.set()

    monkeypatch.setattr(session, "_tell_wakeup", comes)
    await run(session)
    assert session.held == ["prepared"]
    assert session.sent == [msg.Idle(cut_off=True)]


async def test_no_queued_message_is_begun_when_a_stop_has_come(
    session: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = ["queued"]

    def hold(_coming: object) -> None:
        session.busy = False

    monkeypatch.setattr(session._memory, "next_queued", queue.pop)
    monkeypatch.setattr(session._memory, "hold_queue", hold)
    session.coming, session.busy = 0, True
    session._changed.set()
    session.paused = session._finish.set
    await run(session)
    assert queue == ["queued"]


async def test_a_turn_that_begins_when_a_stop_comes_is_marked_as_soon_as_it_runs(
    session: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[bool] = []

    async def mark(*_args: object) -> bool:
        tries.append(len(tries) == 2)
        return tries[-1]

    def paused() -> None:
        session.busy = True not in tries

    monkeypatch.setattr(continuation, "mark", mark)
    session.busy, session.paused = True, paused
    session._finish.set()
    await run(session)
    assert tries == [False, False, True]


async def test_what_waited_is_saved_although_the_turn_cannot_be_marked(
    session: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[object] = []

    async def mark(*_args: object) -> bool:
        raise RuntimeError("the session's turn could not be marked")

    monkeypatch.setattr(continuation, "mark", mark)
    monkeypatch.setattr(session._memory, "save", lambda: saved.extend(session.held))
    session._finish.set()
    with pytest.raises(RuntimeError):
        await run(session)
    assert saved == ["prepared"]


async def test_a_stop_takes_less_than_the_gateway_waits_for_and_the_state_comes_first(
    session: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, saved = [0.0], []

    async def pause() -> None:
        clock[0] += 0.05
        await asyncio.sleep(0)

    async def tell_wakeup() -> None:
        session.sent.append(msg.NextWakeup(at=5.0))

    monkeypatch.setattr(session_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(session, "_pause", pause)
    monkeypatch.setattr(session, "_tell_wakeup", tell_wakeup)
    monkeypatch.setattr(session._memory, "save", lambda: saved.append(clock[0]))
    monkeypatch.setattr(session._receiver, "handing", lambda: True)
    session.busy = True
    session._finish.set()
    await run(session)
    assert saved[-1] < Timeouts().stop - 0.5
    assert session.sent == [msg.Idle(cut_off=True), msg.NextWakeup(at=5.0)]


async def test_what_the_database_has_refused_is_in_files_before_the_next_worker_may_begin(
    session: Played,
) -> None:
    store = session._runner.session_store
    store._dirty_transcripts = {"id": ["a line"]}

    def to_files(session_id: str, _queue: str) -> None:
        session.sent += store._dirty_transcripts.pop(session_id)

    store._spool_stalled_backlog = to_files
    session._finish.set()
    await run(session)
    assert session.sent == ["a line", msg.Idle(cut_off=True)]


async def test_a_message_that_fails_while_the_last_ones_are_given_back_is_not_forgotten(
    session: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = {1}

    async def note(message: msg.Message) -> None:
        session.sent.append(message)
        left.add(2)  # the pipe was full: a message was accepted, and Hermes failed to take it

    monkeypatch.setattr(session._link, "send", note)
    monkeypatch.setattr(session._progress, "gave_back", left.clear)
    session._finish.set()
    await run(session)
    assert session.sent == [msg.Idle(cut_off=True)]
    assert left == {2}


@pytest.fixture
def idle_twice(session: Played, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the session has reported twice that it is idle."""
    twice = asyncio.Event()

    async def note(message: msg.Message) -> None:
        session.sent.append(message)
        if len(session.sent) == 2:
            twice.set()

    monkeypatch.setattr(session._link, "send", note)
    return twice


async def test_a_stop_does_not_wait_for_replies_of_dead_workers_but_the_process_does(
    session: Played, idle_twice: asyncio.Event
) -> None:
    paid = asyncio.Event()
    session.coming, session.resident = 0, True
    session._changed.set()
    session._debts = cast("Any", SimpleNamespace(pay=session._finish.set, paid=paid.is_set))
    ending = asyncio.create_task(run(session))
    with anyio.fail_after(20):
        await idle_twice.wait()
        assert session.sent == [msg.Idle(resident=True), msg.Idle(cut_off=True)]
        await anyio.wait_all_tasks_blocked()
        assert not ending.done()
        paid.set()
        await ending


async def test_a_message_does_not_wait_for_replies_of_dead_workers(
    session: Played, idle_twice: asyncio.Event
) -> None:
    paid = asyncio.Event()
    session.coming, session.resident = 0, True
    session._changed.set()

    def comes() -> None:
        session.coming, session.resident = 1, False

    def paused() -> None:
        session.coming = 0

    session._debts, session.paused = (
        cast("Any", SimpleNamespace(pay=comes, paid=paid.is_set)),
        paused,
    )
    ending = asyncio.create_task(run(session))
    with anyio.fail_after(20):
        await idle_twice.wait()
        assert session.sent == [msg.Idle(resident=True), msg.Idle(resident=False)]
        paid.set()
        await ending
