"""What a message costs the disk: it is synced once, before it is served, and in no later step.

In the real handler of messages; a stand-in for the turn takes the steps of one. Not counted is what
Hermes syncs itself: how many turns run.
"""

from __future__ import annotations

from pathlib import Path

from tests.kit.in_process import play

MESSAGES = 5

#: Of each message: how many syncs there were before it came, when it was served, and at its end.
_PLAY = f"""
import sys
syncs, counts = [], []

def count(name):
    sync = getattr(os, name)
    def counted(file):
        if by_the_router(sys._getframe()):
            syncs.append(name)
        return sync(file)
    setattr(os, name, counted)

def by_the_router(frame):
    while frame is not None:
        if frame.f_globals["__name__"].startswith("hermes_router"):
            return True
        if frame.f_globals["__name__"] == "gateway.status":
            return False
        frame = frame.f_back
    return False

async def serve(event, _conversation, track, **_more):
    counts[-1].append(len(syncs))
    for step in (["begun"], ["said"], ["trying", "a text"], ["answered"]):
        track.note(*step)
    track.told = True

async def play(router, adapter, say, home):
    router._handler._serve = serve
    await router.start()
    for name in {{"fsync", "fdatasync"}} & set(dir(os)):
        count(name)
    for number in range({MESSAGES}):
        counts.append([len(syncs)])
        await say(f"message {{number}}")
        await settled(lambda: not router._ledger.open)
        counts[-1].append(len(syncs))
    noted = (home / "hermes-router" / "ledger.jsonl").read_text().count('"step":"settled"')
    return {{"counts": counts, "settled": noted}}
"""


def test_a_message_is_synced_once_before_it_is_served(tmp_path: Path) -> None:
    seen = play(_PLAY, tmp_path)
    assert seen["counts"] == [[number, number + 1, number + 1] for number in range(MESSAGES)]
    assert seen["settled"] == MESSAGES
    assert seen["original"] == 0
