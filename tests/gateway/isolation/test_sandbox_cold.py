"""Sandboxes with nothing prepared ahead: one without a network, one that shows too little."""

from __future__ import annotations

import pytest

from hermes_router.workers import launchers
from tests.gateway.conftest import CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram
from tests.kit.roots import ordinary_user
from tests.kit.waiting import wait_until

OBSTACLE = launchers.check("bubblewrap") or ordinary_user.obstacle()
pytestmark = pytest.mark.skipif(OBSTACLE is not None, reason=f"NOT SHOWN: {OBSTACLE}")


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    elsewhere = stage.root.base / "elsewhere"
    elsewhere.mkdir()
    stage.root.add_profile("restless", config={"terminal": {"cwd": str(elsewhere)}})
    routes = {str(CAREER): "career", str(SYSTEMS): "systems", "20": "restless"}
    stage.root.configure(
        {
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}},
            "hermes_router": {
                "defaults": {"launcher": "bubblewrap", "warm": {"enabled": False}},
                "profiles": {"systems": {"sandbox": {"network": "off"}}},
            },
        }
    )
    stage.root.profiles["systems"].configure({"agent": {"api_max_retries": 1}})
    return stage


@pytest.fixture(scope="module")
def ordinary() -> bool:
    return True


def bwraps(stage: Stage) -> list[str]:
    return [process.cmdline for process in stage.gateway.tree() if "/bwrap " in process.cmdline]


def test_a_sandbox_lives_as_long_as_the_work_in_it(stage: Stage) -> None:
    assert stage.ask("hello", CAREER, contains="hello").text == "echo: hello"
    stage.wait_settled("career")
    wait_until(lambda: not bwraps(stage), 120, "a sandbox is left")
    folders = (stage.root.base / "tmp").glob
    wait_until(lambda: not list(folders("hermes-router-*")), 120, "its folder is left")


def test_a_later_turn_finds_the_background_work_of_an_earlier_one(stage: Stage) -> None:
    background = (
        '[[tool terminal {"command": "sleep 31557602", "background": true, '
        '"notify_on_complete": true}]]'
    )
    stage.ask(background, CAREER, contains="tool said")
    said = stage.ask(
        '[[tool terminal {"command": "pgrep -fx \'sleep 31557602\' | wc -l"}]]',
        CAREER,
        contains="tool said",
    ).text
    assert '"output": "1' in said
    assert len(bwraps(stage)) == 1
    stage.ask('[[tool terminal {"command": "pkill -fx \'sleep 31557602\'; echo"}]]', CAREER)


def test_without_a_network_nothing_is_reached(stage: Stage) -> None:
    seq = stage.model.seq
    answer = stage.ask("can you reach anything?", SYSTEMS)
    assert "echo" not in answer.text
    reached = [r for r in stage.model.requests() if r.seq > seq and r.api_key == "systems-key"]
    assert reached == []


def test_a_workspace_that_the_sandbox_does_not_show_is_refused(stage: Stage) -> None:
    answer = stage.ask("where are you?", 20, contains="terminal.cwd")
    assert "which its sandbox does not show" in answer.text
