"""A message that no worker gets has a record and a line in the log; a notice of ours names it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.kit.in_process import play

_PLAY = """
from hermes_router.hermes import message_handler as handler

async def play(router, adapter, say, home):
    PREPARE
    await say("hello")
    await settled(lambda: adapter.sent and not router._ledger.open)
    return {"told": adapter.sent}
"""
#: What keeps the message from a worker: how it is brought about, the notice, outcome and error.
CASES = {
    "drain": (
        "handler.gateway_runner.drained_externally = lambda _runner: True",
        "This agent is draining",
        *("refused", "This agent is draining"),
    ),
    "pause": (
        "handler.emergency_stop.paused_reply = lambda: 'Hermes is paused.'",
        "Hermes is paused.",
        *("refused", "Hermes is paused."),
    ),
    "failure": (
        "handler.Dispatcher.serve = None; router.handle = router.handle_busy",
        "the router failed",
        *("router_failed", "the gateway's log has the error"),
    ),
}
WITH_AN_ID = {"failure"}


def recorded(home: Path) -> dict[str, Any]:
    [line] = (home / "hermes-router" / "turns" / "career.jsonl").read_text().splitlines()
    record: dict[str, Any] = json.loads(line)
    return record


@pytest.mark.parametrize("case", CASES)
def test_a_message_that_no_worker_gets_is_recorded(tmp_path: Path, case: str) -> None:
    prepare, notice, outcome, error = CASES[case]
    seen = play(_PLAY.replace("PREPARE", prepare), tmp_path)
    [told] = seen["told"]
    assert notice in told
    record = recorded(tmp_path)
    assert (record["outcome"], record["place"]) == (outcome, "telegram:-100:6")
    assert error in record["error"]
    named = re.search(r"\[([0-9a-f]{8})\]$", told)
    assert (named is not None) == (case in WITH_AN_ID)
    if named is not None:
        assert named[1] == record["turn"]
    assert seen["original"] == 0
