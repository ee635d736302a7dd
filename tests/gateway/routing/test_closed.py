"""Whatever breaks in the router: a routed place never gets the default profile's answer."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from hermes_router.observe.status.messages import socket_of
from tests.gateway.conftest import CAREER, UNROUTED, Stage, build_stage
from tests.kit import FakeModel, FakeTelegram, Gateway
from tests.kit.roots.homes import DEFAULT_KEY
from tests.kit.sabotage import sabotage

_RAISES = "def broken(*args, **kwargs): raise RuntimeError('made up')\n"

MISSING_POINT = (
    "hermes_router.hermes.compat.seams.required",
    "module.RUNNER_METHODS += ('_gone',)",
)
FAILS = (
    "hermes_router.hermes.features.in_process",
    _RAISES + "module.hold_back_routed_profiles = broken",
)
CONSTRUCT = ("hermes_router.hermes.router", _RAISES + "module.GatewayRouter.__init__ = broken")

WAYS = [
    pytest.param(MISSING_POINT, "GatewayRunner._gone", id="a required point is missing"),
    pytest.param(FAILS, "made up", id="the swap fails halfway"),
    pytest.param(CONSTRUCT, "RuntimeError", id="the router cannot be made"),
]


def assert_status_says_why(stage: Stage, why: str) -> None:
    """`status` must not say that no gateway runs here."""
    done = stage.outside(sys.executable, "-m", "hermes_router.cli", "status", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["state"], found["pid"]) == (0, "running", stage.gateway.pid)
    assert why in found["routing_closed"]
    [closed] = found["closed"]
    assert closed == f"every routed place: {found['routing_closed']}"
    shown = stage.outside(sys.executable, "-m", "hermes_router.cli", "status").stdout
    assert shown.startswith("running for ")
    assert f"routing is closed: {found['routing_closed']}" in shown


def assert_logs_tell_of(stage: Stage, told: str, *words: str) -> None:
    """The id that ends a notice leads to the gateway's line about that message."""
    named = re.search(r" \[([0-9a-f]{8})\]$", told)
    assert named is not None, told
    command = [sys.executable, "-m", "hermes_router.cli"]
    shown = stage.outside(*command, "logs", "--turn", named[1]).stdout
    assert all(word in shown for word in words), shown
    assert named[1] in stage.outside(*command, "turns", "--failed").stdout


@pytest.mark.timeout(300)  # a gateway and cold workers, for each
@pytest.mark.parametrize(("broken", "said"), WAYS)
def test_a_routed_place_never_gets_the_default_profiles_answer(
    tmp_path: Path,
    telegram: FakeTelegram,
    model: FakeModel,
    broken: tuple[str, str],
    said: str,
) -> None:
    """It gets one line that says what is wrong; the others are served as ever."""
    stage = build_stage(tmp_path, telegram, model)
    sabotage(stage.root, *broken)
    asked = max((request.seq for request in model.requests()), default=0)
    with Gateway(stage.root) as gateway:
        stage.gateway = gateway
        told = stage.ask("what career alone may know", CAREER, contains=said).text
        assert_logs_tell_of(stage, told, "the router failed", said)
        assert stage.ask("hello", UNROUTED).text
        assert_status_says_why(stage, said)
        ours = model.requests(after=asked, api_key=DEFAULT_KEY)
        assert [request for request in ours if "hello" in str(request.messages)]
        assert "what career alone may know" not in str([request.messages for request in ours])
        if broken is MISSING_POINT:
            assert said in gateway.log_text() + stage.root.log("errors.log")
    assert not socket_of(stage.root.path).exists()
