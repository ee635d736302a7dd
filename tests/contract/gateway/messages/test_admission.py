"""What Hermes does with each message that it takes in is done with routed messages, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from gateway.run import GatewayRunner

from tests.kit.in_process import play

_PLAY = """
import time

async def play(router, adapter, say, home):
    runner, served = router._runner, []
    async def serve(event, profile): served.append(event.text)
    router._handler.serve_and_wait = router._handler.serve_busy = serve
    runner._last_inbound_at, begun = 0.0, time.time()
    async def hand(handle, thread, *, is_bot, **fields):
        source = SessionSource(platform=Platform("telegram"), chat_id=thread, chat_type="group",
                               thread_id="6", user_id="1", is_bot=is_bot)
        fields = {"message_id": str(next(numbers))} | fields
        await handle(MessageEvent(text=thread, source=source, **fields), None)
        await asyncio.sleep(0)
    for handle in (router.handle, router.handle_busy):
        for _ in range(15):
            await hand(handle, "-100", is_bot=True)
            await hand(handle, "-200", is_bot=False)
    bots, people = served.count("-100"), served.count("-200")
    noted, runner._last_inbound_at = runner._last_inbound_at >= begun, 0.0
    await hand(router.handle, "-200", is_bot=False, internal=True)
    return {"bots": bots, "people": people, "noted": noted, "own": runner._last_inbound_at}
"""
_ROUTES = "gateway: {profile_routes: {telegram: {'-100': career, '-200': career}}}\n"


@pytest.mark.skipif(
    not hasattr(GatewayRunner, "_admit_bot_message_for_source"), reason="Hermes has no such limit"
)
def test_bots_that_answer_each_other_come_to_an_end(tmp_path: Path) -> None:
    """The limit is Hermes's: 20 messages in five minutes. An idle gateway hears of each one."""
    seen = play(_PLAY, tmp_path, _ROUTES)
    assert (seen["bots"], seen["people"]) == (20, 30)
    assert seen["noted"]
    assert seen["own"] == 0.0


_REWRITTEN = """
from hermes_router.hermes.compat.seams import command_rules

async def play(router, adapter, say, home):
    async def hooks(*_names, **_payload):
        return [{"action": "rewrite", "text": f"at {next(numbers)}"}]
    command_rules._asked_hooks = hooks
    served = []
    async def serve(event, conversation, track, **more):
        served.append(event.text)
        track.told = True
    router._handler._serve = serve
    source = SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="group",
                           thread_id="6", user_id="1")
    for _ in range(2):
        await router.handle(MessageEvent(text="hello", source=source, message_id="77"), None)
    return {"served": served}
"""


def test_a_message_that_a_hook_rewrites_is_known_when_it_is_delivered_again(tmp_path: Path) -> None:
    """What the hook makes of it may differ each time, as with a time in the text."""
    assert play(_REWRITTEN, tmp_path)["served"] == ["at 5"]


_ACCEPTED = """
async def play(router, adapter, say, home):
    served = []
    async def serve(event, profile): served.append(event.text)
    router._handler.serve_busy = serve
    async def original(): return False
    source = SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="group",
                           thread_id="6", user_id="1")
    accepted = {}
    for wakes in (True, False, None):
        router._kanban.wakes = lambda event: wakes
        event = MessageEvent(text=str(wakes), source=source, internal=True)
        event._gateway_accepted = False
        assert await router.handle_busy(event, original) is True
        accepted[str(wakes)] = event._gateway_accepted
    await settled(lambda: served)
    source.thread_id = "99"
    event._gateway_accepted = False
    passed_on = await router.handle_busy(event, original)
    return {"accepted": accepted, "served": served, "other": [passed_on, event._gateway_accepted]}
"""


def test_hermes_sends_an_event_of_its_own_only_once_to_a_busy_session(tmp_path: Path) -> None:
    """Without a sign that somebody took it, Hermes sends it again until the session is free."""
    seen = play(_ACCEPTED, tmp_path)
    assert seen["accepted"] == {"True": True, "False": True, "None": True}
    assert seen["served"] == ["True"]
    assert seen["other"] == [False, False]
