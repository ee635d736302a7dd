"""Messages that wait for a slot: commands beside them, who is told, and a stop of the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from hermes_router.base.errors import NotWanted, WorkerStartError
from hermes_router.profiles.model import Profile
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.gate import StoppedWaiting, TooBusy
from hermes_router.turns.turn import Turn
from hermes_router.turns.worker.event_sender import InboundMessage
from hermes_router.turns.worker.event_track import Outcome
from tests.kit.workers.made_up import ANSWER, HOST, QUICK, Scene, Use

NARROW = replace(QUICK, limits=replace(QUICK.limits, concurrent_turns=2))

#: Says what it was told, and goes on as long as there is no file of that name.
HELD = (
    ANSWER
    + """
text = got.fields["text"]
say(msg.Call(id=1, method=text, args={})); hear()
while text.startswith("held") and not os.path.exists(os.path.join(HELD_IN, text)): time.sleep(0.01)
say(msg.Call(id=2, method=text + " done", args={})); hear()
"""
)
LEAVES = "say(msg.Idle()); say(msg.Draining())"
STAYS = """
say(msg.Idle(resident=True))
more = event(); say(msg.Accepted(event=more.id)); say(msg.Handled(event=more.id))
say(msg.Call(id=3, method=more.fields["text"], args={})); hear()
say(msg.Idle()); say(msg.Draining())
"""


#: Lets each message wait behind the first, as long as no answer comes.
QUEUES = """
hello(); say(msg.Ready(phases={}))
taken, text = [], ""
while text != "the answer":
    got = event()
    text = got.fields["text"]
    if got.answer and text != "the answer":
        say(msg.Refused(event=got.id))
        continue
    taken.append(got.id)
    say(msg.Accepted(event=got.id)); say(msg.Handled(event=got.id))
    say(msg.Progress(done=taken[0], waiting=taken[1:]))
say(msg.Progress(done=got.id + 1, waiting=[]))
say(msg.Idle()); say(msg.Draining())
"""


class Lane:
    """A conversation whose message waits, because turns of two others have the slots."""

    def __init__(self, profile: Profile, folder: Path) -> None:
        self.dispatcher = Dispatcher(HOST)
        self.scene = Scene(profile)
        self.others = [Scene(profile, key=f"agent:main:telegram:group:1:{n}") for n in (7, 13)]
        self._folder = folder
        self.waiting: asyncio.Task[Turn]

    async def fill(self) -> None:
        for other in self.others:
            await self.say("held elsewhere", other)
        self.waiting = asyncio.create_task(self.say("waits", self.scene))
        while not self.dispatcher.waiting("career"):  # noqa: ASYNC110
            await anyio.sleep(0.01)

    async def say(self, text: str, scene: Scene, *, at_once: bool = False) -> Turn:
        inbound = InboundMessage({"text": text}, {}, at_once=at_once)
        return await self.dispatcher.serve(scene, inbound, NARROW)

    async def free_slots(self) -> None:
        """Let the other turns end; the message that waits then gets a slot."""
        self.release("held elsewhere")
        while self.dispatcher.waiting("career"):  # noqa: ASYNC110
            await anyio.sleep(0.01)

    def release(self, text: str) -> None:
        (self._folder / text).touch()

    @property
    def said(self) -> list[str]:
        return [name for name, _ in self.scene.calls]


@pytest.fixture
async def lane(profile: Profile, tmp_path: Path) -> AsyncIterator[Lane]:
    lane = Lane(profile, tmp_path)
    yield lane
    await lane.dispatcher.close("the end of the test")


def held_in(folder: Path, then: str = LEAVES) -> str:
    return HELD.replace("HELD_IN", repr(str(folder))) + then


async def test_it_is_served_before_the_message_that_waits(
    lane: Lane, worker: Use, tmp_path: Path
) -> None:
    worker(held_in(tmp_path))
    await lane.fill()
    assert lane.dispatcher.waits(lane.scene)
    command = await lane.say("/profile", lane.scene, at_once=True)
    await command.answered.wait()
    assert lane.said == ["/profile", "/profile done"]
    assert not lane.waiting.done()
    lane.release("held elsewhere")
    later = await lane.waiting
    await later.ended.wait()
    assert later is not command
    assert lane.said[2:] == ["waits", "waits done"]
    assert not lane.dispatcher.waits(lane.scene)


async def test_a_message_behind_one_that_waits_is_counted_too(
    lane: Lane, worker: Use, tmp_path: Path
) -> None:
    worker(held_in(tmp_path))
    await lane.fill()
    behind = asyncio.create_task(lane.say("behind it", lane.scene))
    while len(lane.dispatcher.waiting("career")) < 2:  # noqa: ASYNC110
        await anyio.sleep(0.01)
    assert lane.dispatcher.waiting("systems") == []
    await lane.free_slots()
    await lane.waiting
    await behind
    assert lane.dispatcher.waiting("career") == []


async def test_the_message_begins_when_the_command_is_answered(
    lane: Lane, worker: Use, tmp_path: Path
) -> None:
    worker(held_in(tmp_path))
    await lane.fill()
    await lane.say("held command", lane.scene, at_once=True)
    await lane.free_slots()
    await anyio.sleep(0.2)
    assert not lane.waiting.done()
    lane.release("held command")
    await (await lane.waiting).ended.wait()
    assert lane.said.index("held command done") < lane.said.index("waits")


async def test_the_message_goes_to_the_commands_worker_if_that_stays(
    lane: Lane, worker: Use, tmp_path: Path
) -> None:
    worker(held_in(tmp_path, STAYS))
    await lane.fill()
    command = await lane.say("/profile", lane.scene, at_once=True)
    await command.answered.wait()
    lane.release("held elsewhere")
    assert await lane.waiting is command
    await command.ended.wait()
    assert lane.said == ["/profile", "/profile done", "waits"]


async def test_a_message_that_is_cancelled_behind_a_command_keeps_no_slot(
    lane: Lane, worker: Use, tmp_path: Path
) -> None:
    worker(held_in(tmp_path))
    await lane.fill()
    command = await lane.say("held command", lane.scene, at_once=True)
    await lane.free_slots()
    await anyio.sleep(0.1)
    lane.waiting.cancel()
    lane.release("held command")
    await command.ended.wait()
    with anyio.fail_after(20):
        for other in lane.others:
            await lane.say("held again", other)


async def test_each_message_of_a_session_that_waits_is_told_once_how_many_are_ahead(
    lane: Lane, worker: Use, tmp_path: Path
) -> None:
    worker(held_in(tmp_path))
    await lane.fill()
    second = asyncio.create_task(lane.say("waits too", lane.scene))
    await anyio.wait_all_tasks_blocked()
    assert [text.split()[1] for text in lane.scene.notices] == ["2", "3"]
    assert lane.dispatcher.stop_waiting(lane.scene) == 2
    for message in (lane.waiting, second):
        with pytest.raises(StoppedWaiting):
            await message


async def test_a_turn_that_cannot_be_begun_gives_its_slot_back(
    lane: Lane, worker: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last message would wait for ever otherwise: there are two slots."""
    worker(held_in(tmp_path))

    def order(*_arguments: object) -> None:
        raise OSError(24, "Too many open files")

    with anyio.fail_after(60):
        with monkeypatch.context() as short:
            short.setattr(HOST.workers, "order", order)
            for scene in (lane.scene, *lane.others):
                with pytest.raises(WorkerStartError, match="Too many open files"):
                    await lane.say("lost", scene)
        turn = await lane.say("served", lane.scene)
        await turn.ended.wait()
    assert turn.failure is None


async def test_a_message_that_gets_its_slot_by_a_stop_of_the_gateway_is_left_to_the_next(
    lane: Lane, worker: Use
) -> None:
    worker(ANSWER + "while not isinstance(hear(), msg.Finish): pass\nsay(msg.Idle(cut_off=True))")
    for other in lane.others:
        await lane.say("held", other)
    inbound = InboundMessage({"text": "waits"}, {})
    waiting = asyncio.create_task(lane.dispatcher.serve(lane.scene, inbound, NARROW))
    while not lane.dispatcher.waiting("career"):  # noqa: ASYNC110
        await anyio.sleep(0.01)
    with anyio.fail_after(20):
        await lane.dispatcher.close("the gateway stops")
        with pytest.raises(NotWanted):
            await waiting
    assert inbound.track.outcome is Outcome.CLOSED
    assert lane.dispatcher.turns == frozenset()


async def test_no_turn_begins_once_the_gateway_stops_and_what_runs_goes_on(
    lane: Lane, worker: Use, tmp_path: Path
) -> None:
    """Hermes lets running turns finish. What waits, also behind others, is the next gateway's."""
    worker(held_in(tmp_path))
    await lane.fill()
    behind = InboundMessage({"text": "behind it"}, {})
    second = asyncio.create_task(lane.dispatcher.serve(lane.scene, behind, NARROW))
    await anyio.wait_all_tasks_blocked()
    running = lane.dispatcher.turns
    with anyio.fail_after(20):
        lane.dispatcher.begin_no_more()
        for message in (
            lane.waiting,
            second,
            lane.say("new", Scene(lane.scene.profile, key="new")),
        ):
            with pytest.raises(NotWanted):
                await message
        assert behind.track.outcome is Outcome.CLOSED
        assert lane.dispatcher.turns == running
        assert not any(turn.stopping for turn in running)
        await lane.free_slots()
        await anyio.wait_all_tasks_blocked()
        assert lane.dispatcher.turns <= running


async def test_nothing_is_kept_of_a_conversation_whose_messages_got_no_turn(
    lane: Lane, worker: Use, tmp_path: Path
) -> None:
    worker(held_in(tmp_path))
    await lane.fill()
    full = replace(NARROW, limits=replace(NARROW.limits, queue=1))
    refused = Scene(lane.scene.profile, key="agent:main:telegram:group:2:1")
    with pytest.raises(TooBusy):
        await lane.dispatcher.serve(refused, InboundMessage({"text": "hi"}, {}), full)
    behind = asyncio.create_task(lane.say("behind it", lane.scene))
    await anyio.wait_all_tasks_blocked()
    assert lane.dispatcher.stop_waiting(lane.scene) == 2
    await asyncio.gather(lane.waiting, behind, return_exceptions=True)
    assert len(lane.dispatcher._lanes) == len(lane.others)
    lane.release("held elsewhere")
    with anyio.fail_after(20):
        while lane.dispatcher.turns:  # noqa: ASYNC110
            await anyio.sleep(0.01)
        await anyio.wait_all_tasks_blocked()
    assert lane.dispatcher._lanes == {}


async def test_no_more_messages_wait_behind_a_turn_than_the_limit_allows(
    lane: Lane, worker: Use
) -> None:
    worker(QUEUES)
    two = replace(QUICK, limits=replace(QUICK.limits, queue=2))

    async def say(text: str, *, at_once: bool = False) -> Turn:
        inbound = InboundMessage({"text": text}, {}, at_once=at_once)
        return await lane.dispatcher.serve(lane.scene, inbound, two)

    with anyio.fail_after(60):
        turns = {await say(text) for text in ("first", "second", "third")}
        with pytest.raises(TooBusy) as refused:
            await say("one too many")
        assert refused.value.ahead == 3
        turns |= {await say("/status", at_once=True), await say("the answer")}
        [turn] = turns
        await turn.ended.wait()
    assert turn.failure is None
    assert await say("again") is not turn


async def test_no_more_messages_wait_for_a_worker_that_starts_than_the_limit_allows(
    lane: Lane, worker: Use
) -> None:
    worker("time.sleep(60)")
    two = replace(QUICK, limits=replace(QUICK.limits, queue=2))

    def say() -> asyncio.Task[Turn]:
        inbound = InboundMessage({"text": "hi"}, {})
        return asyncio.create_task(lane.dispatcher.serve(lane.scene, inbound, two))

    with anyio.fail_after(10):
        first = say()
        while lane.dispatcher.running(lane.scene) is None:  # noqa: ASYNC110
            await anyio.sleep(0.01)
        waiting = [say(), say()]
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(TooBusy) as refused:
            await say()
    assert refused.value.ahead == 3
    for task in (first, *waiting):
        assert not task.done()
        task.cancel()


async def test_a_stop_takes_back_a_message_that_waits_for_memory(
    lane: Lane, worker: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither in the gate nor in a worker then."""
    worker(ANSWER + LEAVES)
    short, enough = anyio.Event(), anyio.Event()

    async def make_room() -> None:
        short.set()
        await enough.wait()

    monkeypatch.setattr(HOST.workers, "make_room", make_room)
    first = asyncio.create_task(lane.say("first", lane.scene))
    with anyio.fail_after(10):
        await short.wait()
        second = asyncio.create_task(lane.say("second", lane.scene))
        await anyio.wait_all_tasks_blocked()
        assert lane.dispatcher.stop_waiting(lane.scene) == 2
        enough.set()
        for message in (first, second):
            with pytest.raises(StoppedWaiting):
                await message
        later = await lane.say("later", lane.scene)
        await later.ended.wait()
    assert not lane.dispatcher.waits(lane.scene)
