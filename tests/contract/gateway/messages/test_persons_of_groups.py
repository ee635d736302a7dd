"""Routes that name a person, in a group in which Telegram's adapter also keeps what others say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.in_process import play

#: Of each message to the bot and of each other one: the profile that has it, None for the gateway.
_PLAY = """
import weakref
from gateway.config import PlatformConfig
from gateway.platforms.base import MessageType
from plugins.platforms.telegram.adapter import TelegramAdapter
from hermes_router.hermes.compat.events import place_to_route
from hermes_router.hermes.compat.seams import message_sources

LISTENING = {"observe_unmentioned_group_messages": True, "require_mention": True,
             "allowed_chats": ["-100"], "group_allowed_chats": ["-100"]}

class Store:
    def __init__(self): self.kept = []
    def get_or_create_session(self, source): return SimpleNamespace(session_id="of the gateway")
    def append_to_transcript(self, session_id, message): self.kept.append(message["content"])

async def play(router, _adapter, say, home):
    store = Store()
    adapter = TelegramAdapter(PlatformConfig(enabled=True, token="1:x", extra=LISTENING))
    adapter._bot = SimpleNamespace(id=1, username="bot")
    adapter.set_session_store(router.sessions_for_adapter(adapter, store))
    router._watcher.current()
    raw = SimpleNamespace(chat=SimpleNamespace(id=-100, type="supergroup"), chat_id=-100,
                          message_thread_id=None)

    def event(user, text, kind):
        source = SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="group",
                               user_id=user, user_name=f"name of {user}")
        source._transport_adapter_ref = weakref.ref(adapter)
        return MessageEvent(text=text, message_type=kind, source=source, raw_message=raw,
                            message_id=str(next(numbers)))

    async def to_the_bot(user, text, kind):
        asked = adapter._apply_telegram_group_observe_attribution(event(user, text, kind))
        served = []
        async def serve(event, conversation, track, **more):
            served.append(conversation)
            seen.append(conversation.knows(user))
            entries = [entry.source for entry in router._ledger.open]
            again = map(message_sources.source_of, entries)
            kept.extend(router._watcher.snapshot.decide(place_to_route(one)).profile
                        for one in again)
            track.told = True
        router._handler._serve = serve
        await router.handle(asked, original)
        return served[0].profile.name if served else None, asked.source.user_id

    async def original(): pass

    seen, kept, asked = [], [], {}
    for user in ("7", "8"):
        for kind, text in ((MessageType.TEXT, "help me"), (MessageType.COMMAND, "/help")):
            asked[f"{user} {text}"] = await to_the_bot(user, text, kind)
        said = event(user, f"said by {user}", MessageType.TEXT)
        adapter._observe_unmentioned_group_message(raw, MessageType.TEXT, event=said)
    folder = home / "profiles" / "career" / "hermes-router" / "observed"
    of_career = [json.loads(line) for file in folder.glob("*.jsonl") for line in open(file)]
    plain = TelegramAdapter(PlatformConfig(enabled=True, token="1:x", extra=LISTENING))
    plain._bot = adapter._bot
    command = plain._apply_telegram_group_observe_attribution(
        event("7", "/help", MessageType.COMMAND))
    return {"commander": command.source.user_id, "asked": asked, "knows": seen, "again": kept,
            "gateway": store.kept, "career": json.dumps(of_career)}
"""
_PERSON = """
gateway:
  profile_routes:
  - {platform: telegram, user_id: '7', profile: career}
"""
_PERSON_IN_CHAT = """
gateway:
  profile_routes:
  - {platform: telegram, chat_id: '-100', user_id: '7', profile: career}
"""


@pytest.mark.parametrize("routes", [_PERSON, _PERSON_IN_CHAT])
def test_a_person_is_routed_also_where_the_bot_listens(routes: str, tmp_path: Path) -> None:
    seen = play(_PLAY, tmp_path, routes)
    assert seen["asked"] == {
        "7 help me": ["career", None],  # the session is the group's, as in Hermes
        "7 /help": ["career", seen["commander"] and "7"],
        "8 help me": [None, None],
        "8 /help": [None, seen["commander"] and "8"],
    }
    assert "said by 7" in seen["career"]
    assert "said by 8" not in seen["career"]
    assert [text.splitlines()[-1] for text in seen["gateway"]] == ["said by 8"]
    assert seen["knows"] == [True, True]
    assert seen["again"] == ["career", "career"]  # the gateway finds the route again if it dies
