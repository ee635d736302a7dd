"""A worker opens a thread only where the routes give new threads to its profile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.kit.in_process import ROUTES, play

_PLAY = """
from hermes_router.base.errors import RelayRefused
from hermes_router.relay.attachments import Spool

class Threads(Adapter):
    platform = Platform("telegram")
    async def create_handoff_thread(self, parent_chat_id, name):
        self.sent.append([parent_chat_id, name])
        return "9"

async def play(router, _adapter, say, home):
    adapter, refused = Threads(), []
    router._runner.adapters, router._runner._running = {Platform("telegram"): adapter}, True
    async def serve(event, conversation, track, **more):
        call = {"parent_chat_id": "-100", "name": "The side"}
        try:
            await conversation.execute("create_handoff_thread", call, Spool(limit=0), print)
        except RelayRefused as error:
            refused.append(str(error))
        track.told = True
    router._handler._serve = serve
    await say("/branch The side")
    return {"opened": adapter.sent, "refused": len(refused)}
"""
_WHOLE_CHAT = """
gateway:
  profile_routes:
  - {platform: telegram, chat_id: '-100', profile: career}
  - {platform: telegram, chat_id: '-100', thread_id: '13', profile: kid}
"""


@pytest.mark.parametrize(
    ("routes", "seen"),
    [
        (ROUTES, {"opened": [], "refused": 1}),
        (_WHOLE_CHAT, {"opened": [["-100", "The side"]], "refused": 0}),
    ],
)
def test_a_routed_topic_opens_another_only_in_its_profiles_chat(
    tmp_path: Path, routes: str, seen: dict[str, Any]
) -> None:
    assert play(_PLAY, tmp_path, routes) == seen | {"original": 0}
