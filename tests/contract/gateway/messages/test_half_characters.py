"""A platform's text may have half a character, which no encoding has: the message is served."""

from __future__ import annotations

from pathlib import Path

from tests.kit.in_process import play

_PLAY = """
from hermes_router.state import kept_event

async def play(router, adapter, say, home):
    seen = []
    async def serve(conversation, inbound, settings, **more):
        [entry] = router._ledger.open
        kept = kept_event.read(home / "profiles" / "career", entry.id)
        seen.append([inbound.fields["text"], entry.recorded, kept.text])
        inbound.track.told = True
        return SimpleNamespace(answered=asyncio.Event(), failure=None, conversation=conversation)
    router._dispatcher.serve = serve
    asyncio.create_task(say("half \\ud83d of it"))
    await settled(lambda: seen)
    return {"seen": seen, "told": adapter.sent}
"""


def test_a_message_with_half_a_character_is_written_down_and_served(tmp_path: Path) -> None:
    found = play(_PLAY, tmp_path)
    assert found["seen"] == [["half \ufffd of it", True, "half \ufffd of it"]]
    assert found["told"] == []
