"""A message that a turn's worker cannot be sent: the turn ends, if that was its only message."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from hermes_router.base.errors import CannotBeSent
from hermes_router.profiles.model import Profile
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.worker.event_sender import InboundMessage
from hermes_router.turns.worker.event_track import Outcome
from tests.kit.workers.made_up import ANSWER, HOST, QUICK, Scene, Use

ONE = replace(QUICK, limits=replace(QUICK.limits, concurrent_turns=1))
LEAVES = "say(msg.Idle()); say(msg.Draining())"
TOO_LONG = {"text": "x" * 1_100_000}


@pytest.fixture
def scene(profile: Profile) -> Scene:
    return Scene(profile)


@pytest.fixture
async def dispatcher() -> AsyncIterator[Dispatcher]:
    made = Dispatcher(HOST)
    yield made
    await made.close("the end of the test")


async def until_no_turn_is_left(dispatcher: Dispatcher) -> None:
    with anyio.fail_after(10):
        while dispatcher.turns:  # noqa: ASYNC110
            await anyio.sleep(0.01)


@pytest.mark.parametrize(
    ("fields", "file", "why"),
    [
        (TOO_LONG, None, "it is too long"),
        ({"text": "half a letter: \ud83d"}, None, "it cannot be encoded"),
        ({"text": "see"}, "gone.png", "its file gone.png cannot be read"),
    ],
)
async def test_what_cannot_be_sent_keeps_no_place(
    scene: Scene,
    dispatcher: Dispatcher,
    worker: Use,
    tmp_path: Path,
    fields: dict[str, str],
    file: str | None,
    why: str,
) -> None:
    worker(ANSWER + LEAVES)
    inbound = InboundMessage(fields, {}, files=[tmp_path / file] if file else [])
    with pytest.raises(CannotBeSent, match=why):
        await dispatcher.serve(scene, inbound, ONE)
    await until_no_turn_is_left(dispatcher)
    with anyio.fail_after(20):
        turn = await dispatcher.serve(scene, InboundMessage({"text": "hi"}, {}), ONE)
        await turn.ended.wait()
    assert turn.failure is None
    assert scene.notices == []


async def test_a_message_that_is_cancelled_before_it_is_sent_keeps_no_place(
    scene: Scene, dispatcher: Dispatcher, worker: Use
) -> None:
    worker("time.sleep(60)")
    sending = asyncio.create_task(dispatcher.serve(scene, InboundMessage({"text": "hi"}, {}), ONE))
    while dispatcher.running(scene) is None:  # noqa: ASYNC110
        await anyio.sleep(0.01)
    sending.cancel()
    await until_no_turn_is_left(dispatcher)


async def test_a_message_that_nobody_waits_for_has_an_outcome_once_a_worker_takes_it(
    scene: Scene, dispatcher: Dispatcher, worker: Use, tmp_path: Path
) -> None:
    """A gateway that stops cancels who waits, also while a worker still loads its modules."""
    folder = repr(str(tmp_path))
    loads = f"""
        open({folder} + "/sent", "w").close()
        while not os.path.exists({folder} + "/loaded"): time.sleep(0.01)
    """
    worker(ANSWER.replace("say(msg.Accepted", textwrap.dedent(loads) + "say(msg.Accepted") + LEAVES)
    inbound = InboundMessage({"text": "hi"}, {})
    sending = asyncio.create_task(dispatcher.serve(scene, inbound, ONE))
    while not (tmp_path / "sent").exists():  # noqa: ASYNC110
        await anyio.sleep(0.01)
    sending.cancel()
    await asyncio.wait([sending])
    (tmp_path / "loaded").touch()
    await until_no_turn_is_left(dispatcher)
    assert inbound.track.outcome is Outcome.ANSWERED


async def test_a_turn_with_another_message_goes_on(
    scene: Scene, dispatcher: Dispatcher, worker: Use
) -> None:
    worker(ANSWER + "hear(); " + LEAVES)
    turn = await dispatcher.serve(scene, InboundMessage({"text": "hi"}, {}), ONE)
    with pytest.raises(CannotBeSent):
        await dispatcher.serve(scene, InboundMessage(TOO_LONG, {}), ONE)
    assert not turn.stopping
    assert turn.open


async def test_a_message_that_waits_for_the_same_worker_is_served_by_it(
    scene: Scene, dispatcher: Dispatcher, worker: Use
) -> None:
    worker("time.sleep(0.5)\n" + ANSWER + LEAVES)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(refused, dispatcher, scene)
            while (first := dispatcher.running(scene)) is None:  # noqa: ASYNC110
                await anyio.sleep(0.01)
            turn = await dispatcher.serve(scene, InboundMessage({"text": "hi"}, {}), ONE)
            assert turn is first
        await turn.ended.wait()
    assert turn.failure is None


async def refused(dispatcher: Dispatcher, scene: Scene) -> None:
    with pytest.raises(CannotBeSent):
        await dispatcher.serve(scene, InboundMessage(TOO_LONG, {}), ONE)
