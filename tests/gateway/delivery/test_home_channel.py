"""`/sethome` in a routed topic holds for all that goes to the home channel, notices included."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import yaml

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage, build_stage, start_cold
from tests.kit import FORUM, FakeModel, FakeTelegram
from tests.kit.state.cron_store import CronStore

pytestmark = pytest.mark.timeout(300)

HOME = 7
"""A second topic of career's, which it makes its home channel."""
GERMAN = {
    "gateway": {
        "shutdown": {"notice_shutdown": "Das Gateway geht.", "notice_restart": "Neustart."},
        "startup": {"online": "Das Gateway ist wieder da."},
    }
}


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = start_cold(build_stage(tmp_path_factory.mktemp("stage"), telegram, model), "systems")
    stage.root.configure(
        {
            "hermes_router": {"schedule": {"cron": 0.2}},
            "gateway": {"profile_routes": {"telegram": {str(FORUM): {str(HOME): "career"}}}},
        }
    )
    telegram.add_topic(HOME, "the home channel")
    stage.root.profiles["career"].configure({"approvals": {"mode": "off"}})
    return stage


@pytest.fixture(scope="module")
def settled(stage: Stage) -> Stage:
    """The stage after the profile has served another topic first, and has then chosen its home."""
    stage.ask("first of all", CAREER, contains="first of all")
    stage.ask("/sethome", HOME, contains="ome")
    stage.wait_settled("career")
    return stage


def arrived(stage: Stage, text: str) -> list[tuple[int | None, int | None]]:
    calls = stage.telegram.calls("sendMessage")
    return [call.place for call in calls if text in (call.text or "")]


def test_hermes_send_goes_to_the_chosen_home_channel(settled: Stage) -> None:
    settled.run("hermes send --to telegram fromtheterminal")
    assert arrived(settled, "fromtheterminal") == [(FORUM, HOME)]


def test_what_names_no_platform_stays_in_its_conversation(settled: Stage) -> None:
    settled.run("hermes send stayshere")
    assert arrived(settled, "stayshere") == [(FORUM, CAREER)]


def test_a_jobs_report_goes_to_the_chosen_home_channel(settled: Stage) -> None:
    cron = CronStore(settled.root.profiles["career"].path)
    code = "echo asareport; hermes send --to telegram fromitsscript"
    cron.wait_run(cron.add_script("home", code, due=-5, deliver="telegram"))
    settled.wait_settled("career")
    assert arrived(settled, "asareport") == [(FORUM, HOME)]
    assert arrived(settled, "fromitsscript") == [(FORUM, HOME)]


def test_a_stop_is_told_in_the_home_channel_of_each_profile_that_has_chosen_one(
    settled: Stage,
) -> None:
    seq = settled.telegram.seq
    settled.gateway.stop()
    told = [call.place for call in settled.telegram.calls("sendMessage", after=seq)]
    assert told.count((FORUM, HOME)) == 1
    assert (FORUM, SYSTEMS) not in told


def test_a_restart_is_told_in_the_profiles_language(settled: Stage, tmp_path: Path) -> None:
    """Where Hermes has a translation: this one stands for those of a whole installation."""
    (tmp_path / "de.yaml").write_text(yaml.safe_dump(GERMAN))
    (tmp_path / "en.yaml").write_text(yaml.safe_dump({}))
    settled.root.extra_environ["HERMES_BUNDLED_LOCALES"] = str(tmp_path)
    settled.root.profiles["career"].configure({"display": {"language": "de"}})
    # From 0.22 on a restart that is asked for waits for turns, and is told to those that it ends.
    settled.root.configure({"agent": {"restart_after_turn_timeout": 1}})
    settled.gateway.restart()
    asked, seq = settled.model.seq, settled.telegram.seq
    settled.telegram.say("[[sleep 60]][[say late]]", chat_id=FORUM, thread_id=CAREER)
    settled.model.wait_for(lambda one: "late" in one.last_user, after=asked, timeout=150)
    os.kill(settled.gateway.pid, signal.SIGUSR1)
    for topic in (CAREER, HOME):
        gone = settled.telegram.wait_reply(FORUM, topic, after=seq, timeout=ANSWER_SECONDS)
        assert gone.text == "Neustart."
    settled.gateway.wait_exit(150)
    said = [call.text or "" for call in settled.telegram.calls("sendMessage", after=seq)]
    assert sum("Neustart" in text for text in said) == 2, said
    seq = settled.telegram.seq
    settled.gateway.start()
    back = settled.telegram.wait_reply(FORUM, HOME, after=seq, timeout=ANSWER_SECONDS)
    assert back.text == "Das Gateway ist wieder da."
