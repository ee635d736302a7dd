"""The router itself fails with a message that came behind a turn: its writer is told, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit.in_process import play

#: Serving fails, or it fails after a notice was sent.
_PLAY = """
async def play(router, adapter, say, home):
    async def fails(event, conversation, track, **_more):
        if AFTER_A_NOTICE:
            track.told = True
            await conversation.notify("a notice")
        raise OSError("no such luck")

    router._handler._serve = fails
    router.handle = router.handle_busy
    await say("are you there?")
    await settled(lambda: adapter.sent and not router._ledger.open)
    return {"told": adapter.sent, "open": len(router._ledger.open)}
"""


@pytest.mark.parametrize("after_a_notice", [False, True])
def test_a_message_that_the_router_fails_with_is_told_of_once(
    tmp_path: Path, *, after_a_notice: bool
) -> None:
    seen = play(f"AFTER_A_NOTICE = {after_a_notice}\n{_PLAY}", tmp_path)
    [told] = seen["told"]
    assert told == "a notice" if after_a_notice else "the router failed" in told
    assert seen["open"] == 0
    assert seen["original"] == 0
