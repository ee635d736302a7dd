"""What a gateway does with messages that the one before it left open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.kit.in_process import play
from tests.kit.state.ledger import obligations

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
    entry.begun()
    entry.cut_off()
    handed = []

    async def handle_message(event):
        handed.append([event.text, event.internal, entry.step])
        entry.settle()

    adapter.handle_message = handle_message
    router._runner._running = True
    recovery = CrashRecovery(
        router._runner, [entry], router._settled, find=lambda name: model.find(name, home),
        routed=lambda source: ROUTED, pays=lambda profile: PAYS)
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
    assert (seen["handed"], seen["crossed_off"], seen["open"]) == ([], 1, 0)


def test_an_unsent_reply_of_a_turn_that_may_not_go_on_is_sent_by_upkeep(tmp_path: Path) -> None:
    seen = _recovered(tmp_path, routed="systems", pays=True)
    assert (seen["handed"], seen["crossed_off"], seen["said"]) == ([], 0, [])


def _recovered(home: Path, *, routed: str, pays: bool) -> dict[str, Any]:
    profile = home / "profiles" / "career"
    profile.mkdir(parents=True)
    obligations(profile, "attempting")
    script = f"ROUTED, PAYS = {routed!r}, {pays!r}\n{_REPLY_UNSENT}"
    return play(script, home)
