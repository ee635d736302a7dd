"""Messages that Telegram's adapter joins, in a topic whose session is everybody's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kit.in_process import play

_PLAY = """
from gateway.config import PlatformConfig
from gateway.platforms.base import MessageType
from plugins.platforms.telegram.adapter import TelegramAdapter

async def play(router, _adapter, say, home):
    router._watcher.current()
    adapter = TelegramAdapter(PlatformConfig(enabled=True, token="1:x"))
    adapter._text_batch_delay_seconds = adapter._media_batch_delay_seconds = 0.2
    adapter._bot = adapter._accept_update = lambda *args: None
    router.sessions_for_adapter(adapter, None)
    handed_on = []

    async def handle(event):
        who = router._lane_of(event.source).strip(":").partition(":")[0] or "the gateway"
        handed_on.append([who, event.source.user_id, event.text, event.media_urls])
    adapter.handle_message = handle

    def event(user, text, *files):
        source = SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="forum",
                               thread_id="6", user_id=user)
        return MessageEvent(text=text, source=source, message_id=str(next(numbers)),
                            message_type=MessageType.PHOTO if files else MessageType.TEXT,
                            media_urls=list(files), media_types=["image/jpeg"] * len(files))

    single = SimpleNamespace(media_group_id=None)
    for users, photos in CASES:
        for user in users:
            one = event(user, f"of {user}", *([f"/{user}.jpg"] if photos else []))
            if photos:
                adapter._enqueue_photo_event(adapter._photo_batch_key(one, single), one)
            else:
                adapter._enqueue_text_event(one)
        await settled(lambda: not adapter._pending_text_batches
                      and not adapter._pending_photo_batches)
    return {"handed_on": handed_on}
"""
_ROUTES = """
gateway:
  profile_routes:
  - {platform: telegram, user_id: '7', profile: career}
  - {platform: telegram, chat_id: '-100', thread_id: '6', user_id: '9', profile: family}
  - {platform: telegram, user_id: '10', profile: career}
hermes_router: {unmatched: {telegram: UNMATCHED}}
"""


def handed_on(
    tmp_path: Path, cases: list[tuple[str, bool]], unmatched: str = "default"
) -> list[Any]:
    listed = [(users.split(), photos) for users, photos in cases]
    seen = play(f"CASES = {listed}\n{_PLAY}", tmp_path, _ROUTES.replace("UNMATCHED", unmatched))
    return list(seen["handed_on"])


def test_what_is_joined_is_one_persons(tmp_path: Path) -> None:
    pairs, kinds = ("7 8", "8 7", "7 9", "7 10"), (False, True)
    seen = handed_on(tmp_path, [(users, photos) for photos in kinds for users in pairs])
    answers = {"7": "career", "8": "the gateway", "9": "family", "10": "career"}
    assert seen == [
        [answers[user], user, f"of {user}", [f"/{user}.jpg"] if photos else []]
        for photos in kinds
        for user in " ".join(pairs).split()
    ]


def test_what_is_denied_is_not_joined_to_what_the_gateway_answers(tmp_path: Path) -> None:
    seen = handed_on(tmp_path, [("8 7", False)], unmatched="deny")
    assert seen == [["deny", "8", "of 8", []], ["career", "7", "of 7", []]]


def test_one_persons_messages_are_joined_as_before(tmp_path: Path) -> None:
    seen = handed_on(tmp_path, [("7 7", False), ("8 8", False), ("7 7", True)])
    assert seen == [
        ["career", "7", "of 7\nof 7", []],
        ["the gateway", "8", "of 8\nof 8", []],
        ["career", "7", "of 7", ["/7.jpg", "/7.jpg"]],
    ]
