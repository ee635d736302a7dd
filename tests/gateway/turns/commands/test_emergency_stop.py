"""Hermes's emergency stop in a routed topic: it stops what it says, in every profile."""

from __future__ import annotations

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import FakeModel, FakeTelegram
from tests.kit.state.cron_store import CronStore

pytest.importorskip("agent.estop", reason="Hermes has an emergency stop from 0.20 on")

pytestmark = pytest.mark.timeout(300)  # a turn in a sandbox, and a profile that is prepared beside

PAUSED = "Hermes is paused"


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.configure(
        {
            "hermes_router": {
                "schedule": {"cron": 0.2},
                "profiles": {"systems": {"launcher": "bubblewrap"}},
            }
        }
    )
    return stage


def test_a_pause_in_a_routed_topic_holds_everywhere_until_it_is_lifted(stage: Stage) -> None:
    stage.ask("/pause fire drill", CAREER)
    stop, own = stage.root.path / "ESTOP", stage.root.profiles["career"].path / "ESTOP"
    assert stop.exists()
    assert not own.exists()
    turns = stage.worker_log("systems").count(" hermes-router begin ")
    for topic in (CAREER, SYSTEMS, UNROUTED):
        assert f"{PAUSED} (fire drill)" in stage.ask("anybody there?", topic).text
    assert stage.worker_log("systems").count(" hermes-router begin ") == turns
    assert PAUSED not in stage.ask("/profile", CAREER).text  # commands are let through
    stage.ask("/pause off", CAREER)
    assert not stop.exists()
    stage.ask("and now?", SYSTEMS, contains="and now?")


def test_a_paused_profile_begins_no_cron_job_and_the_others_do(stage: Stage) -> None:
    homes = {name: stage.root.profiles[name].path for name in ("career", "systems")}
    stores = {name: CronStore(home) for name, home in homes.items()}
    (homes["career"] / "ESTOP").touch()
    numbers = {name: store.add_script(name, "true", due=-5) for name, store in stores.items()}
    stores["systems"].wait_run(numbers["systems"])
    assert PAUSED in stage.ask("paused?", CAREER).text
    assert stores["career"].runs(numbers["career"]) == []
    (homes["career"] / "ESTOP").unlink()
    stores["career"].wait_run(numbers["career"])
    stage.ask("paused?", CAREER, contains="echo: paused?")
