"""A limit that the configuration raises counts for messages that wait already."""

from __future__ import annotations

from pathlib import Path

from tests.kit.in_process import ROUTES, play

SCRIPT = """
from hermes_router.config.settings import Limits
from hermes_router.turns.gate import Waiting

LIMITS = "hermes_router: {profiles: {career: {limits: {concurrent_turns: %d}}}}"

async def play(router, adapter, say, home):
    config = (home / "config.yaml")
    routes = config.read_text()

    async def configured(turns):
        config.write_text(routes + LIMITS % turns)
        await router._configuration()

    def message(name):
        gate = router._dispatcher._gates.of("career")
        limits = Limits(concurrent_turns=1)  # as the configuration was when the message came
        told = lambda _ahead: None
        enters = gate.enter(name, Waiting(0, name), limits, at_once=False, told=told)
        return asyncio.create_task(enters)

    await configured(1)
    waiting = [message(name) for name in "abc"]
    await asyncio.sleep(0)
    await configured(2)
    await settled(waiting[1].done)
    begun = [one.done() for one in waiting]
    waiting[2].cancel()
    return {"begun": begun}
"""


def test_who_waits_gets_a_place_when_the_configuration_is_read_anew(tmp_path: Path) -> None:
    assert play(SCRIPT, tmp_path, ROUTES)["begun"] == [True, True, False]
