"""Disks that take no notes, and files that say nothing: people are told, and messages are served.

In the real handler of messages; of a turn only its place is there.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.kit.in_process import play

#: A message is served at once, by nobody; `served` counts them.
_SERVED = """
served = []

def serve_at_once(router):
    async def serve(event, _conversation, track, **_more):
        served.append(event.text)
        track.told = True
        return None
    router._handler._serve = serve
"""

UNWRITABLE = f"""{_SERVED}
import shutil

async def play(router, adapter, say, home):
    serve_at_once(router)
    at_once, words = router._handler._serve, []

    async def serve(*of, **more):
        words.append(len(list(home.rglob("waiting/*"))))
        return await at_once(*of, **more)

    router._handler._serve = serve
    folder = home / "hermes-router"
    shutil.rmtree(folder)
    folder.touch()  # a file where the ledger's folder must be
    for number in range(3):
        await say(f"message {{number}}")
        await settled(lambda: len(served) > number)
    told = list(adapter.sent)
    folder.unlink()
    await say("and now?")
    await settled(lambda: len(served) > 3)
    noted = (folder / "ledger.jsonl").read_text().count('"step":"accepted"')
    later = adapter.sent[len(told):]
    return {{"told": told, "later": later, "served": served, "noted": noted, "words": words}}
"""

GARBAGE = f"""{_SERVED}
async def play(router, adapter, say, home):
    serve_at_once(router)
    await router.start()
    await say("are you there?")
    await settled(lambda: served)
    return {{"sent": adapter.sent, "served": served}}
"""


def test_a_ledger_that_cannot_be_written_is_said_once_until_it_can(tmp_path: Path) -> None:
    seen = play(UNWRITABLE, tmp_path)
    [line] = seen["told"]
    assert "could not record it" in line
    assert str(tmp_path / "hermes-router") in line
    assert seen["served"] == ["message 0", "message 1", "message 2", "and now?"]
    assert seen["later"] == []
    assert seen["noted"] == 1
    assert seen["words"] == [0, 0, 0, 1]  # nobody would look for those of the others after a kill
    assert seen["original"] == 0


def test_files_that_are_garbage_cost_no_message(tmp_path: Path) -> None:
    play(GARBAGE, tmp_path)  # makes those that a gateway makes
    folder = tmp_path / "hermes-router"
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert "ledger.jsonl" in names
    for name in names | {"conversations.json", "settled.json", "menus.json", "wakeups.json"}:
        (folder / name).write_bytes(b"\xc1\xc1\x00{[" * 50)
    half_written = folder / ".settled.json-a1b2c3d4"
    half_written.touch()
    os.utime(half_written, times=(1e9, 1e9))
    seen = play(GARBAGE, tmp_path)
    assert seen["served"] == ["are you there?"]
    assert seen["sent"] == []
    assert seen["original"] == 0
    assert not half_written.exists()
