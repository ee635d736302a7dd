"""A person writes to two bots that the same profile answers: it is one session, with one worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
import pytest
from msgspec.structs import replace

from hermes_router.profiles.model import Profile
from hermes_router.relay.delivery_policy import Sender
from hermes_router.routing.table import Place
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.gate import StoppedWaiting, TooBusy
from hermes_router.turns.notices import answered_elsewhere, has_to_wait
from hermes_router.turns.turn import Turn
from hermes_router.turns.worker.event_sender import InboundMessage
from tests.kit.workers.made_up import HOST, QUICK, Scene, Use

#: Repeats each message. After "first" it takes one more before it does; after "stays ..." it stays.
_REPEATS = """
hello(); say(msg.Ready(phases={}))
def take():
    got = event()
    say(msg.Accepted(event=got.id)); say(msg.Handled(event=got.id))
    return got.fields["text"]
def repeat(text):
    say(msg.Call(id=len(text), method=text, args={}))
    while not isinstance(hear(), msg.Result): pass
texts = [take()]
if texts == ["first"]: texts.append(take())
for text in texts: repeat(text)
while text.startswith("stays"):
    say(msg.Idle(resident=True))
    text = take()
    repeat(text)
say(msg.Idle()); say(msg.Draining())
"""


@dataclass
class Chat(Scene):
    key: str = "agent:main:telegram:dm:5"
    bot: str | None = None

    @property
    def sender(self) -> Sender:
        place = Place(platform="telegram", chat_id="5", bot=self.bot)
        return Sender(profile=self.profile.name, origin=place)


class Bots:
    """The chats of one person with the gateway's bot and with another one."""

    def __init__(self, profile: Profile) -> None:
        self.dispatcher = Dispatcher(HOST)
        self.shared, self.other = Chat(profile), Chat(profile, bot="systems")

    async def say(self, text: str, chat: Chat, *, at_once: bool = False) -> Turn:
        inbound = InboundMessage({"text": text}, {}, at_once=at_once)
        return await self.dispatcher.serve(chat, inbound, QUICK)

    async def say_elsewhere(self) -> asyncio.Task[Turn]:
        """Write to the other bot; return the task that waits for its turn."""
        elsewhere = asyncio.create_task(self.say("elsewhere", self.other))
        while not self.dispatcher.waiting("career"):  # noqa: ASYNC110
            await anyio.sleep(0.01)
        return elsewhere

    @property
    def said(self) -> tuple[list[str], list[str]]:
        shared, other = ([name for name, _ in chat.calls] for chat in (self.shared, self.other))
        return shared, other


@pytest.fixture
async def bots(profile: Profile, worker: Use) -> AsyncIterator[Bots]:
    worker(_REPEATS)
    bots = Bots(profile)
    with anyio.fail_after(60):
        yield bots
        await bots.dispatcher.close("the end of the test")


async def test_a_message_to_another_bot_waits_for_the_answer_and_is_answered_by_that_bot(
    bots: Bots,
) -> None:
    turn = await bots.say("first", bots.shared)
    elsewhere = await bots.say_elsewhere()
    assert bots.dispatcher.running(bots.other) is None
    assert bots.dispatcher.occupant(bots.other) is turn
    # Meanwhile the first bot's messages go to its turn: it may wait for an answer.
    assert await bots.say("second", bots.shared) is turn
    later = await elsewhere
    await later.answered.wait()
    assert later is not turn
    assert bots.said == (["first", "second"], ["elsewhere"])


async def test_a_worker_that_stays_goes_on_by_the_bot_of_its_next_message(bots: Bots) -> None:
    turn = await bots.say("stays", bots.shared)
    await turn.answered.wait()
    assert bots.dispatcher.running(bots.other) is None
    assert await bots.say("elsewhere", bots.other) is turn
    await turn.ended.wait()
    assert bots.said == (["stays"], ["elsewhere"])


async def test_a_worker_that_stays_answers_two_messages_that_come_at_once_by_the_bot_of_each(
    bots: Bots,
) -> None:
    turn = await bots.say("stays", bots.shared)
    await turn.answered.wait()
    first, second = await asyncio.gather(
        bots.say("stays on", bots.shared), bots.say("elsewhere", bots.other)
    )
    assert first is second is turn
    await turn.ended.wait()
    assert bots.said == (["stays", "stays on"], ["elsewhere"])


async def test_messages_to_another_bot_count_as_waiting(bots: Bots) -> None:
    one = replace(QUICK, limits=replace(QUICK.limits, queue=1))
    await bots.say("first", bots.shared)
    waiting = await bots.say_elsewhere()
    with pytest.raises(TooBusy):
        await bots.dispatcher.serve(bots.other, InboundMessage({"text": "hi"}, {}), one)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert bots.dispatcher.waiting("career") == []


async def test_a_stop_at_another_bot_takes_back_what_waits_there_and_nothing_else(
    bots: Bots,
) -> None:
    turn = await bots.say("first", bots.shared)
    elsewhere = await bots.say_elsewhere()
    await anyio.wait_all_tasks_blocked()
    assert bots.other.notices == [has_to_wait(1)]
    assert bots.dispatcher.stop_waiting(bots.shared) == 0
    assert bots.dispatcher.stop_waiting(bots.other) == 1
    assert bots.dispatcher.stop_waiting(bots.other) == 0
    with pytest.raises(StoppedWaiting):
        await elsewhere
    assert bots.dispatcher.waiting("career") == []
    assert await bots.say("second", bots.shared) is turn
    await turn.answered.wait()
    assert bots.said == (["first", "second"], [])


async def test_a_command_to_another_bot_goes_to_the_turn_at_once_and_its_chat_is_told(
    bots: Bots,
) -> None:
    turn = await bots.say("first", bots.shared)
    elsewhere = await bots.say_elsewhere()
    assert bots.dispatcher.waits(bots.other)
    assert not bots.dispatcher.waits(bots.shared)
    assert await bots.say("/status", bots.other, at_once=True) is turn
    await (await elsewhere).answered.wait()
    assert bots.other.notices == [has_to_wait(1), answered_elsewhere()]
    assert bots.said == (["first", "/status"], ["elsewhere"])
