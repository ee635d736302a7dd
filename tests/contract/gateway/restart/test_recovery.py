"""What a gateway does with messages that the one before it left open."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.kit.in_process import play
from tests.kit.state.ledger import obligations

TURN = "1f0c2a9b"

#: The turn had ended when the gateway's stop reached its worker, but no platform was connected any
#: more: the reply lies unsent in the profile's own ledger.
_REPLY_UNSENT = """
async def play(router, adapter, say, home):
    from hermes_router.hermes.compat.events import source_fields
    from hermes_router.hermes.crash_recovery import CrashRecovery
    from hermes_router.profiles import model
    from hermes_router.state.ledger import Identity

    source = SessionSource(platform=Platform("telegram"), chat_id="-100", chat_type="group",
                           thread_id="6", user_id="1")
    entry = router._ledger.accept(Identity(platform="telegram", chat_id="-100"), profile="career",
                                  session="key", source=source_fields(source))
    entry.turn = TURN
    entry.begun()
    entry.cut_off()
    handed = []

    async def handle_message(event):
        taken = await router._handler._register.enter(event, None)
        handed.append([event.text, event.internal, taken.step])
        taken.settle()

    adapter.handle_message = handle_message
    router._runner._running = True
    recovery = CrashRecovery(
        router._runner, [entry], router._settled, find=lambda name: model.find(name, home),
        routed=lambda source: ROUTED, pays=lambda profile: PAYS, book=router.book)
    await recovery.run()
    return {"handed": handed, "crossed_off": len(router._settled.of("career")),
            "said": adapter.sent, "open": len(router._ledger.open)}
"""


def test_an_unsent_reply_of_a_turn_that_goes_on_is_not_given_up(tmp_path: Path) -> None:
    """The session's worker sends it, as each worker sends what its profile's dead ones left."""
    seen = _recovered(tmp_path, routed="career", pays=False)
    assert seen["handed"] == [["", True, "resumed"]]
    assert (seen["crossed_off"], seen["said"], seen["open"]) == (0, [], 0)


def test_an_unsent_reply_of_a_turn_that_may_not_go_on_is_replaced_by_a_notice(
    tmp_path: Path,
) -> None:
    seen = _recovered(tmp_path, routed="systems", pays=False)
    [notice] = seen["said"]
    assert "was interrupted" in notice
    assert notice.endswith(f" [{TURN}]")
    [record] = _records(tmp_path)
    assert (record["turn"], record["number"], record["outcome"]) == (TURN, 0, "cut_off")
    assert (record["place"], record["exit"]) == ("telegram:-100:6", "unknown")
    assert "could not be continued" in record["error"]
    assert (seen["handed"], seen["crossed_off"], seen["open"]) == ([], 1, 0)


def test_an_unsent_reply_of_a_turn_that_may_not_go_on_is_sent_by_upkeep(tmp_path: Path) -> None:
    seen = _recovered(tmp_path, routed="systems", pays=True)
    assert (seen["handed"], seen["crossed_off"], seen["said"]) == ([], 0, [])
    assert _records(tmp_path) == []


def test_a_message_that_no_turn_was_given_gets_an_id_too(tmp_path: Path) -> None:
    seen = _recovered(tmp_path, routed="systems", pays=False, turn="")
    [notice] = seen["said"]
    [record] = _records(tmp_path)
    assert re.fullmatch("[0-9a-f]{8}", record["turn"])
    assert notice.endswith(f" [{record['turn']}]")


def _records(home: Path) -> list[dict[str, Any]]:
    path = home / "hermes-router" / "turns" / "career.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _recovered(home: Path, *, routed: str, pays: bool, turn: str = TURN) -> dict[str, Any]:
    profile = home / "profiles" / "career"
    profile.mkdir(parents=True)
    obligations(profile, "attempting")
    script = f"ROUTED, PAYS, TURN = {routed!r}, {pays!r}, {turn!r}\n{_REPLY_UNSENT}"
    return play(script, home)
