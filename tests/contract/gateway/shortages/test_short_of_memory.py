"""A new turn that the machine has no memory for: one line, in the real handler of messages."""

from __future__ import annotations

from pathlib import Path

from tests.kit.in_process import ROUTES, play

SCRIPT = """
from hermes_router.workers import pool

pool._ROOM_SECONDS = 0.2

async def play(router, adapter, say, home):
    await say("hi")
    await settled(lambda: adapter.sent)
    ledger = (home / "hermes-router" / "ledger.jsonl").read_text()
    config = (home / "config.yaml")
    config.write_text(config.read_text().splitlines()[0])
    await router._configuration()
    await router._workers.make_room()
    return {"sent": adapter.sent, "settled": '"step":"settled"' in ledger}
"""

#: More than any machine has.
SHORT = f"{ROUTES}hermes_router: {{turn_budget: {{free_bytes: {2**50}}}}}\n"


def test_the_message_is_refused_with_one_line_and_the_next_one_is_not(tmp_path: Path) -> None:
    seen = play(SCRIPT, tmp_path, SHORT)
    [line] = seen["sent"]
    assert line.startswith("⚠️ The machine is short of memory: ")
    assert seen["settled"]
    assert seen["original"] == 0
