"""A gateway that serves several profiles does nothing for a routed one in its own process.

And where the router is not loaded at all, Hermes refuses a route of its own to a parked profile.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway
from tests.kit.probes.traces import Traces
from tests.kit.waiting import wait_until

PARKING = hasattr(importlib.import_module("hermes_cli.profiles"), "profile_is_parked")
"""Whether this Hermes knows parked profiles; it serves every profile by default then."""

LISTED = [
    {"platform": "telegram", "chat_id": str(FORUM), "thread_id": str(topic), "profile": profile}
    for topic, profile in ((CAREER, "career"), (SYSTEMS, "systems"))
]
"""The routes in Hermes's own form, which it reads itself where there is no router."""

_AT_START = ("plugin", "event hook", "MCP server", "cron job")
_QUIET_SECONDS = 15.0


def build(base: Path, telegram: FakeTelegram, model: FakeModel) -> dict[str, Traces | Stage]:
    stage = build_stage(base, telegram, model)
    stage.root.configure({"gateway": {"profile_routes": None, "multiplex_profiles": True}})
    stage.root.configure({"gateway": {"profile_routes": LISTED}})
    made: dict[str, Traces | Stage] = {"stage": stage}
    return made | {name: Traces(home) for name, home in stage.root.profiles.items()}


def below(pid: int, traces: Traces) -> dict[str, set[int]]:
    """Return what a gateway did itself for a profile."""
    return {kind: pids for kind, pids in traces.processes().items() if pid in pids}


def test_the_gateway_does_nothing_for_a_routed_profile(
    tmp_path: Path, telegram: FakeTelegram, model: FakeModel
) -> None:
    """Nor after a restart, though Hermes writes true over this ``multiplex_profiles: false``."""
    made = build(tmp_path, telegram, model)
    stage = made["stage"]
    assert isinstance(stage, Stage)
    stage.root.configure({"gateway": {"multiplex_profiles": not PARKING}})
    with Gateway(stage.root) as gateway:
        stage.gateway = gateway
        pids = []
        for start in (None, gateway.restart):
            if start is not None:
                start()
            pids.append(gateway.pid)
            stage.ask("hello", UNROUTED)
            stage.ask("hello", CAREER)
            time.sleep(_QUIET_SECONDS)
        for name in ("career", "systems"):
            traces = made[name]
            assert isinstance(traces, Traces)
            assert [below(pid, traces) for pid in pids] == [{}, {}]


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
        wait_until(lambda: set(below(gateway.pid, systems)) >= set(_AT_START), 120)
        assert below(gateway.pid, career) == {}
        with pytest.raises(TimeoutError):
            telegram.wait_reply(FORUM, CAREER, after=before, timeout=3)
        said = [str(request.messages) for request in model.requests(after=asked)]
        assert said
        assert not [text for text in said if "secret of career" in text]
