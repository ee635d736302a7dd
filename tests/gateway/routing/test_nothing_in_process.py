"""A gateway that serves several profiles does nothing for a routed one in its own process.

And where the router is not loaded at all, Hermes refuses a route of its own to a parked profile.
"""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway
from tests.kit.probes.traces import KINDS, Traces
from tests.kit.waiting import wait_until

LOOPS = importlib.util.find_spec("hermes_cli.loops") is not None
"""Whether this Hermes knows recurring prompts."""

PARKING = hasattr(importlib.import_module("hermes_cli.profiles"), "profile_is_parked")
"""Whether this Hermes knows parked profiles; it serves every profile by default then."""

LISTED = [
    {"platform": "telegram", "chat_id": str(FORUM), "thread_id": str(topic), "profile": profile}
    for topic, profile in ((CAREER, "career"), (SYSTEMS, "systems"))
]
"""The routes in Hermes's own form, which it reads itself where there is no router."""

_AT_START = ("plugin", "event hook", "MCP server", "cron job")
_IN_WORKERS = set(KINDS) if LOOPS else set(KINDS) - {"loop"}
_QUIET_SECONDS = 15.0


def build(base: Path, telegram: FakeTelegram, model: FakeModel) -> dict[str, Traces | Stage]:
    stage = build_stage(base, telegram, model)
    stage.root.configure({"gateway": {"profile_routes": None, "multiplex_profiles": True}})
    stage.root.configure({"gateway": {"profile_routes": LISTED}})
    made: dict[str, Traces | Stage] = {"stage": stage}
    return made | {name: Traces(home) for name, home in stage.root.profiles.items()}


def test_the_gateway_does_nothing_for_a_routed_profile(
    tmp_path: Path, telegram: FakeTelegram, model: FakeModel
) -> None:
    """Nor after a restart, though Hermes writes true over this ``multiplex_profiles: false``.

    Neither its process nor another one outside a worker does. The traces of career in workers show
    that they would be seen.
    """
    made = build(tmp_path, telegram, model)
    stage, career, systems = made["stage"], made["career"], made["systems"]
    assert isinstance(stage, Stage)
    assert isinstance(career, Traces)
    assert isinstance(systems, Traces)
    stage.root.configure({"gateway": {"multiplex_profiles": not PARKING}})
    with Gateway(stage.root) as gateway:
        stage.gateway = gateway
        for again in (False, True):
            if again:
                gateway.restart()
            stage.ask("hello", UNROUTED)
            stage.ask("hello", CAREER)
            if LOOPS:
                comes_again(stage, career)
            time.sleep(_QUIET_SECONDS)
            assert [career.elsewhere(), systems.elsewhere()] == [{}, {}]
        assert set(career.in_workers()) >= _IN_WORKERS


def comes_again(stage: Stage, traces: Traces) -> None:
    """Wait until a loop of career's has come again by itself; begin it if there is none."""
    before = traces.in_workers().get("loop", 0)
    if not before:
        stage.ask(traces.loop(), CAREER, contains="tool said")
        before = 1
    wait_until(lambda: traces.in_workers().get("loop", 0) > before, 120)


def test_without_the_router_a_parked_profile_is_not_served(
    tmp_path: Path, telegram: FakeTelegram, model: FakeModel
) -> None:
    """What the gateway does for the other profile shows that the traces would be seen."""
    if not PARKING:
        pytest.skip("this Hermes knows no parked profiles")
    made = build(tmp_path, telegram, model)
    stage, career, systems = made["stage"], made["career"], made["systems"]
    assert isinstance(stage, Stage)
    assert isinstance(career, Traces)
    assert isinstance(systems, Traces)
    stage.root.configure({"plugins": {"enabled": []}})
    (career.home.path / "gateway.parked").touch()
    with Gateway(stage.root) as gateway:
        stage.gateway = gateway
        asked = max((request.seq for request in model.requests()), default=0)
        before = telegram.seq
        telegram.say("secret of career", chat_id=FORUM, thread_id=CAREER)
        assert stage.ask("hello", SYSTEMS).text
        wait_until(lambda: set(systems.elsewhere()) >= set(_AT_START), 120)
        assert career.elsewhere() == {}
        with pytest.raises(TimeoutError):
            telegram.wait_reply(FORUM, CAREER, after=before, timeout=3)
        said = [str(request.messages) for request in model.requests(after=asked)]
        assert said
        assert not [text for text in said if "secret of career" in text]
