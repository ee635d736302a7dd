"""Where a worker stands: each state with each message, with its end, and with each timeout."""

from __future__ import annotations

import typing
from typing import cast

import anyio
import msgspec
import pytest

from hermes_router.base.errors import ProtocolError, WorkerDied, WorkerTimeout
from hermes_router.config.settings import Settings, Timeouts
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.relay.attachments import Spool
from hermes_router.turns.story import Story
from hermes_router.turns.worker.event_sender import DeliveryResult, InboundMessage, PendingEvent
from hermes_router.turns.worker.watchdog import Watchdog
from hermes_router.turns.worker.worker_session import WorkerSession
from hermes_router.turns.worker.worker_state import TRANSITIONS, Step, WorkerState, after, step_of
from hermes_router.workers.process import WorkerProcess
from hermes_router.workers.turn_log import TurnLog
from tests.kit.workers.made_up import HOST, Scene
from tests.kit.workers.scripted import ScriptedWorker

READY, STAYS, LEAVES = msg.Ready(phases={}), msg.Idle(resident=True), msg.Idle()

#: What a worker says to come into each state.
WAY: dict[WorkerState, tuple[msg.FromWorker, ...]] = {
    WorkerState.STARTING: (),
    WorkerState.BUSY: (READY,),
    WorkerState.RESIDENT: (READY, STAYS),
    WorkerState.FINISHING: (READY, LEAVES),
    WorkerState.DRAINING: (READY, msg.Draining()),
    WorkerState.DRAINED: (READY, LEAVES, msg.Draining()),
}

#: One of each message that a turn's worker may say; of `idle` one of each meaning.
MESSAGES: tuple[msg.FromWorker, ...] = (
    READY,
    STAYS,
    LEAVES,
    msg.Draining(),
    msg.Accepted(event=1),
    msg.Refused(event=1),
    msg.Handled(event=1),
    msg.Heartbeat(),
    msg.Progress(done=1),
    msg.BackgroundWork(works=["a server"]),
    msg.NextWakeup(at=5.0),
    msg.Commands(of="telegram", commands=[]),
    msg.LimitReached(limit="open_files"),
    msg.Chunk(stream=1, data=b""),
    msg.Closed(call=1),
    msg.RunResult(outcome="answered"),
    msg.Call(id=1, method="send_typing", args={}),
    msg.Deliver(id=1, platform="telegram", chat_id="-100", text="hi"),
    msg.React(id=1, platform="telegram", chat_id="-100", message_id="1", emoji="x"),
    msg.ModelRequest(id=1),
    msg.Cancel(call=1),
)

#: What ends the worker of a turn in every state, and as which error.
ENDING: tuple[tuple[msg.FromWorker, type[Exception]], ...] = (
    (msg.Hello(protocol=1, router="", hermes="", python="", pid=1, profile=""), ProtocolError),
    (msg.Begun(name="a job"), ProtocolError),
    (msg.Ended(outcome="done"), ProtocolError),
    (msg.Resolved(id=1), ProtocolError),  # nobody clicked
    (msg.Failed(error="oh", traceback=""), WorkerDied),
)


class Stage:
    """A session with a worker of a test's own, which was offered one message."""

    def __init__(self, profile: Profile, settings: Settings | None = None) -> None:
        self.worker = ScriptedWorker()
        settings, scene = settings or Settings(), Scene(profile)
        story = Story("t", scene, received=0.0, note=HOST.note)
        self.session = WorkerSession(
            scene,
            settings,
            HOST,
            turn_id="t",
            log=TurnLog("t", received=0.0),
            story=story,
            send=self.worker.send,
            else_noted=lambda _message: False,
        )
        self.offer = PendingEvent(InboundMessage(fields={}, source={}))

    async def hears(self, *messages: msg.FromWorker) -> None:
        """Have the session hear messages, until the worker has said them all."""
        self.worker.says(*messages, None)
        worker, spool = cast("WorkerProcess", self.worker), Spool(limit=100, addresses=False)
        receiver = self.session.receiver
        receiver.connect(worker)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._offer)
            await anyio.wait_all_tasks_blocked()
            try:
                await self.session.serve(worker, spool)
            finally:
                tasks.cancel_scope.cancel()
        await anyio.to_thread.run_sync(spool.close)

    async def _offer(self) -> None:
        await self.session.receiver.offer(self.offer, until_handled=True)


def expected_after(state: WorkerState, message: msg.FromWorker) -> WorkerState | None:
    """Return where a message leads by the table; None where it may not be said."""
    step = step_of(message)
    return state if step is None else TRANSITIONS.get((state, step))


def name(value: object) -> str:
    return value.value if isinstance(value, WorkerState) else repr(value).partition("(")[0]


def test_each_message_of_the_protocol_is_walked() -> None:
    walked = {type(message) for message in (*MESSAGES, *(message for message, _ in ENDING))}
    assert walked == set(typing.get_args(msg.FromWorker))


def test_every_state_can_be_reached_and_left() -> None:
    assert set(WAY) | {WorkerState.GONE} == set(WorkerState)
    for state in WorkerState:
        assert after(state, Step.ENDS) is WorkerState.GONE
    assert [after for (state, _), after in TRANSITIONS.items() if state is WorkerState.GONE] == [
        WorkerState.GONE
    ]


@pytest.mark.parametrize("message", MESSAGES, ids=name)
@pytest.mark.parametrize("state", WAY, ids=name)
async def test_each_message_in_each_state(
    profile: Profile, state: WorkerState, message: msg.FromWorker
) -> None:
    stage, expected = Stage(profile), expected_after(state, message)
    if expected is None:
        with pytest.raises(ExceptionGroup) as raised:
            await stage.hears(*WAY[state], message)
        assert raised.group_contains(ProtocolError, match=f"while it was {state.value}")
        return
    await stage.hears(*WAY[state], message)
    session = stage.session
    assert session.state is expected
    assert session.answered.is_set() is expected.answered
    if isinstance(message, msg.Accepted):
        assert stage.offer.verdict is DeliveryResult.ACCEPTED


@pytest.mark.parametrize(("message", "error"), ENDING, ids=name)
@pytest.mark.parametrize("state", WAY, ids=name)
async def test_what_ends_a_worker_in_each_state(
    profile: Profile, state: WorkerState, message: msg.FromWorker, error: type[Exception]
) -> None:
    stage = Stage(profile)
    with pytest.raises(ExceptionGroup) as raised:
        await stage.hears(*WAY[state], message)
    assert raised.group_contains(error)


@pytest.mark.parametrize("state", WAY, ids=name)
async def test_an_end_in_each_state(profile: Profile, state: WorkerState) -> None:
    stage = Stage(profile)
    await stage.hears(*WAY[state])
    assert stage.session.hush() is state
    assert stage.session.state is WorkerState.GONE
    assert stage.session.answered.is_set() is state.answered
    stage.session.let_go()
    assert stage.session.answered.is_set()
    late = PendingEvent(InboundMessage(fields={}, source={}))
    await stage.session.receiver.offer(late, until_handled=False)
    assert late.verdict is DeliveryResult.REFUSED


async def test_a_further_message_has_people_wait_again(profile: Profile) -> None:
    stage = Stage(profile)
    await stage.hears(READY, STAYS)
    before = stage.session.answered
    assert before.is_set()
    await stage.hears(msg.Accepted(event=2))
    assert not stage.session.answered.is_set()
    assert before.is_set()


#: Which time-out ends a worker in each state, if all of them were over, in the order of checking.
OVER = {
    WorkerState.STARTING: "start",
    WorkerState.BUSY: "turn",
    WorkerState.RESIDENT: "idle",
    WorkerState.FINISHING: "post_turn",
    WorkerState.DRAINING: "turn",
    WorkerState.DRAINED: "post_turn",
}


@pytest.mark.parametrize("state", WAY, ids=name)
def test_a_timeout_in_each_state(monkeypatch: pytest.MonkeyPatch, state: WorkerState) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    times = Timeouts(start=10, silence=10, turn=20, idle=30, resident=0, post_turn=40)
    watch = Watchdog(msgspec.structs.replace(Settings(), timeouts=times))
    now += 9
    watch.check(state, held_up=False)
    now += 100
    if state is not WorkerState.STARTING:
        with pytest.raises(WorkerTimeout, match="silence"):
            watch.check(state, held_up=False)
        watch.check_output(0)
        watch.heard()
    with pytest.raises(WorkerTimeout) as raised:
        watch.check(state, held_up=False)
    assert raised.value.phase == OVER[state]
