"""Logins: a profile's own, the root's only where it is shared, and none lost between workers."""

from __future__ import annotations

import functools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, HermesRoot
from tests.kit.outside.portal import FakePortal, login_of
from tests.kit.waiting import wait_until

LEFT, RIGHT = 41, 42
"""Two topics of one profile."""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory,
    telegram: FakeTelegram,
    model: FakeModel,
    portal: FakePortal,
) -> Stage:
    """The root is logged in and shares it with `systems`; `solo` has a login of its own."""
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.add_profile("solo")
    for topic in (LEFT, RIGHT):
        telegram.add_topic(topic, f"topic {topic}")
    for name in ("career", "systems", "solo"):
        use_portal(stage.root, name, portal)
    log_in(stage.root.path, portal.login("root"))
    log_in(stage.root.profiles["solo"].path, portal.login("solo"))
    routes = {CAREER: "career", SYSTEMS: "systems", LEFT: "solo", RIGHT: "solo"}
    stage.root.configure(
        {
            "gateway": {
                "profile_routes": {
                    "telegram": {str(FORUM): {str(topic): name for topic, name in routes.items()}}
                }
            },
            "hermes_router": {"profiles": {"systems": {"share": ["auth"]}}},
        }
    )
    return stage


def use_portal(root: HermesRoot, name: str, portal: FakePortal) -> None:
    home = root.profiles[name]
    home.configure({"model": {"provider": "nous", "base_url": None, "api_key": None}})
    home.env(
        {"NOUS_PORTAL_BASE_URL": portal.origin, "NOUS_INFERENCE_BASE_URL": root.model.base_url}
    )


def log_in(home: Path, state: dict[str, Any]) -> None:
    content = {"version": 1, "providers": {"nous": state}, "active_provider": "nous"}
    path = home / "auth.json"
    path.write_text(json.dumps(content), "utf-8")
    path.chmod(0o600)


def refresh_token(home: Path) -> str:
    content = json.loads((home / "auth.json").read_text("utf-8"))
    return str(content["providers"]["nous"]["refresh_token"])


def kept_by_the_root(root: Path) -> list[str]:
    """Return the refresh tokens of the root's login and of the store that its profiles share.

    Hermes renews in either, and takes the newer one when it needs a token.
    """
    shared = root / "shared" / "nous_auth.json"
    newer = json.loads(shared.read_text("utf-8"))["refresh_token"] if shared.exists() else ""
    return [refresh_token(root), newer]


def test_a_profile_without_a_login_is_told_the_setting_and_uses_nobody_elses(
    stage: Stage,
) -> None:
    seq = stage.model.seq
    told = stage.ask("hello?", CAREER)
    assert "hermes_router.profiles.career.share: [auth]" in told.text
    assert not stage.model.requests(after=seq)


def test_a_shared_login_works_and_is_refreshed_where_it_lies(
    stage: Stage, portal: FakePortal
) -> None:
    assert stage.ask("hello, shared", SYSTEMS, contains="hello, shared").text.startswith("echo")
    assert login_of(stage.model.wait_chat("hello, shared").api_key) == "root"
    assert "root" in portal.refreshed
    kept = functools.partial(kept_by_the_root, stage.root.path)
    wait_until(lambda: any(map(portal.accepts, kept())), 120, "the root keeps used tokens only")
    assert portal.reused == []


def test_two_workers_of_one_profile_never_lose_its_single_use_token(
    stage: Stage, portal: FakePortal
) -> None:
    solo = stage.root.profiles["solo"].path
    for number in range(3):
        before = len(portal.refreshed)
        said = {topic: f"round {number} in {topic}" for topic in (LEFT, RIGHT)}
        with ThreadPoolExecutor() as pool:
            asked = [
                pool.submit(stage.ask, text, topic, contains=text) for topic, text in said.items()
            ]
            assert all(answer.result().text.startswith("echo") for answer in asked)
        for text in said.values():
            assert login_of(stage.model.wait_chat(text).api_key) == "solo"
        assert number == 0 or len(portal.refreshed) > before, "the token had to be renewed"
        wait_until(portal.expired, 120, "the token lives on")
    assert portal.reused == []
    assert refresh_token(solo).startswith("solo-")
