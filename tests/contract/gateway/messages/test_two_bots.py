"""One person writes to two bots: what is kept of a message belongs to the bot that got it."""

from __future__ import annotations

from pathlib import Path

from hermes_router.turns.notices import answered_elsewhere
from tests.kit.in_process import play

_PLAY = """
import weakref
from hermes_router.hermes.compat.events import place_to_route
from hermes_router.hermes.compat.seams import message_sources, sending
from hermes_router.protocol import messages as msg
from hermes_router.relay.attachments import Spool

class Bot(Adapter):
    async def send(self, chat_id, content, metadata=None):
        self.sent.append(content)
        return SimpleNamespace(success=True, retryable=False, message_id="8")

async def play(router, _adapter, say, home):
    runner, own, adapter = router._runner, Bot(), Bot()
    runner.adapters = {Platform("telegram"): adapter}
    own.platform = adapter.platform = Platform("telegram")
    own._owner_profile = "systems"
    runner._profile_adapters, runner._running = {"systems": {Platform("telegram"): own}}, True
    source = SessionSource(platform=Platform("telegram"), chat_id="5", chat_type="dm", user_id="5",
                           profile="systems")
    source._transport_adapter_ref = weakref.ref(own)
    kept = {}
    async def serve(event, conversation, track, **more):
        conversation.note_wakeup(1e12)
        conversation.note_works("turn", ["a build"])
        kept["message"] = [entry.source for entry in router._ledger.open]
        track.told = True
        message = msg.Deliver(id=1, platform="telegram", chat_id="5", text="by the way", files=[])
        await router._delivery.carry(conversation.sender, message, Spool(limit=1000))
    router._handler._serve = serve
    await router.handle(MessageEvent(text="hello", source=source, message_id="7"), None)
    kept["wakeup"] = [wakeup.source for wakeup in router._wakeups._wakeups.all()]
    kept["works"] = [works.source for works in router._open_works.left()]
    again = {}
    for what, (fields,) in kept.items():
        found = message_sources.source_of(fields)
        place = place_to_route(found)
        decision = router._watcher.snapshot.decide(place)
        by_own = sending.adapter_for(runner, found) is own
        again[what] = [place.bot, decision.action, decision.profile, by_own]
    return {"again": again, "shared": adapter.sent, "own": own.sent}
"""
#: While a turn of a message to one bot goes on, the same person writes to the other one.
_AT_ONCE = """
import weakref
from hermes_router.relay.attachments import Spool

class Bot(Adapter):
    async def send(self, chat_id, content, metadata=None):
        self.sent.append(content)
        return SimpleNamespace(success=True, retryable=False, message_id="8")

async def play(router, _adapter, say, home):
    shared, own = Bot(), Bot()
    own.platform = shared.platform = Platform("telegram")
    own._owner_profile = "systems"
    runner = router._runner
    runner.adapters, runner._running = {Platform("telegram"): shared}, True
    runner._profile_adapters = {"systems": {Platform("telegram"): own}}
    both, conversations = asyncio.Event(), []
    async def serve(event, conversation, track, **more):
        conversations.append(conversation)
        if len(conversations) == 2:
            both.set()
        await both.wait()
        args = {"chat_id": "5", "content": event.text}
        await conversation.execute("send", args, Spool(limit=1000), print)
        track.told = True
    router._handler._serve = serve
    def told(bot, text, number):
        source = SessionSource(platform=Platform("telegram"), chat_id="5", chat_type="dm",
                               user_id="5", profile=own._owner_profile if bot is own else None)
        source._transport_adapter_ref = weakref.ref(bot)
        event = MessageEvent(text=text, source=source, message_id=number)
        return asyncio.create_task(router.handle(event, None))
    await asyncio.gather(told(shared, "to the gateway's", "7"), told(own, "to its own", "7"))
    keys = {conversation.key for conversation in conversations}
    return {"shared": shared.sent, "own": own.sent, "sessions": len(keys)}
"""
_TWICE = """
import weakref

async def play(router, _adapter, say, home):
    shared, own = Adapter(), Adapter()
    own.platform = shared.platform = Platform("telegram")
    own._owner_profile = "systems"
    router._runner._running = True
    served = []
    async def serve(event, conversation, track, **more):
        served.append(event.source.profile)
        track.told = True
    router._handler._serve = serve
    for bot in (shared, own, shared, own):
        source = SessionSource(platform=Platform("telegram"), chat_id="5", chat_type="dm",
                               user_id="5", profile=own._owner_profile if bot is own else None)
        source._transport_adapter_ref = weakref.ref(bot)
        await router.handle(MessageEvent(text="hello", source=source, message_id="7"), None)
    return {"served": served}
"""
#: A turn answers the one bot; nothing waits for the other one, to which the person writes "/stop".
_STOP = """
import weakref
from hermes_router.turns.lane import Lane
from hermes_router.turns.turn import Halt
from hermes_router.turns.voice import Voice

class Bot(Adapter):
    async def send(self, chat_id, content, metadata=None):
        self.sent.append(content)
        return SimpleNamespace(success=True, retryable=False, message_id="8")

async def play(router, _adapter, say, home):
    shared, own, halted = Bot(), Bot(), []
    own.platform = shared.platform = Platform("telegram")
    own._owner_profile = "systems"
    runner, dispatcher = router._runner, router._dispatcher
    runner.adapters, runner._running = {Platform("telegram"): shared}, True
    runner._profile_adapters = {"systems": {Platform("telegram"): own}}
    def told(bot, text, number):
        source = SessionSource(platform=Platform("telegram"), chat_id="5", chat_type="dm",
                               user_id="5", profile=own._owner_profile if bot is own else None)
        source._transport_adapter_ref = weakref.ref(bot)
        return MessageEvent(text=text, source=source, message_id=number)
    async def halt(command):
        halted.append(command.fields["text"])
        return Halt.OBEYED
    first = await router._handler._conversations.of(told(shared, "a long task", "7"), "career")
    turn = SimpleNamespace(open=True, settled=False, resident=False, halt=halt)
    dispatcher._lanes["career\\0" + first.key] = Lane(turn=turn, voice=Voice(first))
    await router.handle(told(own, "/stop", "8"), None)
    await settled(lambda: own.sent)
    return {"halted": halted, "shared": shared.sent, "own": own.sent}
"""
_ROUTES = """
gateway:
  profile_routes:
  - {platform: telegram, chat_id: '5', bot_profile: systems, profile: career}
  - {platform: telegram, chat_id: '5', profile: kid}
"""


def test_the_bot_that_got_a_message_is_known_after_a_restart(tmp_path: Path) -> None:
    seen = play(_PLAY, tmp_path, _ROUTES)
    kept = ["systems", "worker", "career", True]
    assert seen["again"] == {"message": kept, "wakeup": kept, "works": kept}
    assert (seen["shared"], seen["own"]) == ([], ["by the way"])


def test_the_same_words_to_a_second_bot_are_no_repetition(tmp_path: Path) -> None:
    seen = play(_TWICE, tmp_path, _ROUTES.replace("kid", "career"))
    assert seen["served"] == [None, "systems"]


def test_each_message_is_answered_by_the_bot_that_it_came_to(tmp_path: Path) -> None:
    seen = play(_AT_ONCE, tmp_path, _ROUTES.replace("kid", "career"))
    assert (seen["shared"], seen["own"]) == (["to the gateway's"], ["to its own"])
    assert seen["sessions"] == 1


def test_a_stop_at_one_bot_stops_the_turn_that_answers_the_other_one(tmp_path: Path) -> None:
    seen = play(_STOP, tmp_path, _ROUTES.replace("kid", "career"))
    assert seen["halted"] == ["/stop"]
    assert (seen["shared"], seen["own"]) == ([], [answered_elsewhere()])
