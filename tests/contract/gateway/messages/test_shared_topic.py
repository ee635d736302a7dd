"""People of one topic whose messages go to different profiles, as Telegram's adapter hands them on.

The topic's session is everybody's, so the adapter counts one person's turn as all people's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gateway.platforms.base import BasePlatformAdapter

from tests.kit.in_process import play

#: Turns end when their message's text is in `ended`; `seen` is what was served, and by whom.
_PLAY = """
from gateway.config import PlatformConfig
from hermes_router.turns.worker.event_track import Outcome
from plugins.platforms.telegram.adapter import TelegramAdapter

ended, seen, cut_off = set(), [], []

async def until_ended(who, text):
    seen.append([who, text])
    try:
        while text not in ended:
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        cut_off.append([who, text])
        raise

async def play(router, _adapter, say, home):
    await router._configuration()
    adapter = TelegramAdapter(PlatformConfig(enabled=True, token="1:x"))
    router._runner.adapters = {Platform("telegram"): adapter}
    router.sessions_for_adapter(adapter, None)

    def original(event):
        return lambda: until_ended("the gateway", event.text)

    async def handle(event):
        return await router.handle(event, original(event))

    async def handle_busy(event, _key):
        async def queued():
            seen.append(["the gateway, as busy", event.text])
            return True
        return await router.handle_busy(event, queued)

    adapter.set_message_handler(handle)
    adapter.set_busy_session_handler(handle_busy)

    async def serve(conversation, inbound, settings, **more):
        "Have a worker take a message when its turn may end: so until then it waits for a slot."
        await until_ended(conversation.profile.name, inbound.fields["text"])
        inbound.track.finish(Outcome.ANSWERED)
        turn = SimpleNamespace(answered=asyncio.Event(), failure=None, conversation=conversation)
        turn.answered.set()
        return turn

    router._dispatcher.serve = serve

    async def write(user, text):
        source = SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="forum",
                               thread_id="6", user_id=user)
        event = MessageEvent(text=text, source=source, message_id=str(next(numbers)))
        await asyncio.wait_for(adapter.handle_message(event), 2)
        await settled(lambda: any(text == served for _who, served in seen))

    for user, text in MESSAGES:
        if text in {"/new", "/stop"}:
            ended.add(text)
        await write(user, text)
    before = [entry.step for entry in router._ledger.open]
    ended.update(text for _user, text in MESSAGES)
    await settled(lambda: not router._ledger.open)
    return {"seen": seen, "cut_off": cut_off, "before": before, "open": len(router._ledger.open)}
"""
_ROUTES = """
gateway:
  profile_routes:
  - {platform: telegram, user_id: '7', profile: career}
  - {platform: telegram, chat_id: '-100', thread_id: '6', user_id: '9', profile: family}
"""


counts_apart = pytest.mark.skipif(
    not hasattr(BasePlatformAdapter, "_event_session_key"),
    reason="this Hermes's adapters have no key to which anything could be added",
)


def served(tmp_path: Path, *messages: tuple[str, str]) -> dict[str, Any]:
    (tmp_path / "profiles" / "family").mkdir(parents=True)
    (tmp_path / "profiles" / "family" / "SOUL.md").touch()
    return play(f"MESSAGES = {messages}\n{_PLAY}", tmp_path, _ROUTES)


def test_a_command_of_one_profiles_person_costs_the_others_message_nothing(tmp_path: Path) -> None:
    found = served(tmp_path, ("7", "a question"), ("9", "/new"))
    assert found["seen"] == [["career", "a question"], ["family", "/new"]]
    assert (found["cut_off"], found["before"], found["open"]) == ([], ["accepted"], 0)


@counts_apart
def test_a_command_of_a_routed_person_ends_no_turn_of_hermes_itself(tmp_path: Path) -> None:
    found = served(tmp_path, ("8", "a question"), ("7", "/stop"))
    assert found["seen"] == [["the gateway", "a question"], ["career", "/stop"]]
    assert found["cut_off"] == []


@counts_apart
def test_a_message_for_hermes_itself_does_not_wait_for_a_routed_turn(tmp_path: Path) -> None:
    found = served(tmp_path, ("7", "a question"), ("8", "another one"))
    assert found["seen"] == [["career", "a question"], ["the gateway", "another one"]]


@counts_apart
def test_the_adapter_waits_for_no_turn_that_another_persons_command_begins(tmp_path: Path) -> None:
    found = served(tmp_path, ("7", "a question"), ("9", "/retry"))
    assert found["seen"] == [["career", "a question"], ["family", "/retry"]]
