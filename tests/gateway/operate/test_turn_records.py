"""Each routed message leaves a record, and a failed model is a failed turn everywhere."""

from __future__ import annotations

import sys

import pytest

from hermes_router.observe import records
from hermes_router.turns.story import TurnReport
from tests.gateway.conftest import ANSWER_SECONDS, CAREER, MISSING, SYSTEMS, UNROUTED, Stage
from tests.kit import FORUM, Reply
from tests.kit.state.damaged import unreadable_messages
from tests.kit.waiting import wait_until

LOG = "agent.log"


def reports(stage: Stage, profile: str) -> list[TurnReport]:
    return records.read(records.folder_of(stage.root.path), profile)


def wait_ended(stage: Stage, profile: str, count: int) -> list[TurnReport]:
    wait_until(
        lambda: len([r for r in reports(stage, profile) if r.exit is not None]) >= count, 120
    )
    return reports(stage, profile)


def gateway_lines(stage: Stage, turn: str) -> list[str]:
    wait_until(lambda: f"turn {turn} " in stage.root.log(LOG), 120)
    return [line for line in stage.root.log(LOG).splitlines() if f"turn {turn} " in line]


def test_an_answered_message_is_recorded_without_its_words(stage: Stage) -> None:
    before = len(reports(stage, "career"))
    stage.ask("the secret word is heliotrope", CAREER, contains="heliotrope")
    report = wait_ended(stage, "career", before + 1)[-1]
    assert (report.profile, report.outcome, report.exit) == ("career", "answered", "status 0")
    assert report.place == f"telegram:{FORUM}:{CAREER}"
    assert report.route.endswith(f".{CAREER}")
    assert report.model == "career-model"
    assert report.input_tokens > 0
    assert report.output_tokens > 0
    assert report.calls == 1
    assert report.messages == 1
    assert report.hermes_session
    assert 0 < (report.seconds or 0) < ANSWER_SECONDS
    assert {"queue", "start", "ready", "reply", "gone"} <= set(report.phases)
    folder = records.folder_of(stage.root.path)
    assert "heliotrope" not in "".join(path.read_text() for path in folder.iterdir())
    assert folder.stat().st_mode & 0o077 == 0


def test_the_gateways_log_has_one_line_per_routed_message(stage: Stage) -> None:
    before = len(reports(stage, "systems"))
    stage.ask("one line please", SYSTEMS, contains="one line please")
    report = wait_ended(stage, "systems", before + 1)[-1]
    [line] = gateway_lines(stage, report.turn)
    assert " INFO " in line
    assert f"telegram:{FORUM}:{SYSTEMS} -> systems ({report.start}): answered in " in line


def test_the_turn_stands_in_the_profiles_own_log(stage: Stage) -> None:
    before = len(reports(stage, "career"))
    stage.ask("who logs this?", CAREER, contains="who logs this?")
    report = wait_ended(stage, "career", before + 1)[-1]
    own = stage.root.profiles["career"].log()
    marked = [line for line in own.splitlines() if f"[turn {report.turn}]" in line]
    assert any(report.hermes_session in line for line in marked)
    assert f"[turn {report.turn}]" not in stage.root.log(LOG)


def test_an_unrouted_message_is_not_recorded(stage: Stage) -> None:
    stage.ask("nobody in particular", UNROUTED, contains="nobody in particular")
    assert not reports(stage, "default")


@pytest.mark.timeout(180)
def test_a_model_that_fails_is_a_failed_turn(stage: Stage) -> None:
    before = len(reports(stage, "career"))
    seq = stage.telegram.seq
    stage.telegram.say("[[error 400]] now", chat_id=FORUM, thread_id=CAREER)
    stage.telegram.wait_reply(FORUM, CAREER, after=seq, timeout=150)
    report = wait_ended(stage, "career", before + 1)[-1]
    stage.telegram.wait_reply(FORUM, CAREER, contains=f" [{report.turn}]", after=seq)
    assert (report.outcome, report.exit) == ("model_failed", "status 0")
    assert "400" in report.error
    assert report.failed
    [line] = gateway_lines(stage, report.turn)
    assert " WARNING " in line
    assert "the model failed" in line
    [end] = [
        line
        for line in stage.worker_log("career").splitlines()
        if f" end turn={report.turn} " in line
    ]
    assert "outcome=model_failed" in end
    assert "model=career-model" in end
    assert "400" in end


def test_a_history_that_cannot_be_read_is_a_failed_turn(stage: Stage) -> None:
    before = len(reports(stage, "systems"))
    stage.ask("the marmot whistles", SYSTEMS, contains="marmot")
    wait_ended(stage, "systems", before + 1)
    with unreadable_messages(stage.root.profiles["systems"].path, "marmot"):
        told = stage.ask("what whistles?", SYSTEMS)
        report = wait_ended(stage, "systems", before + 2)[-1]
    assert told.text.endswith(f" [{report.turn}]")
    assert (report.outcome, report.exit, report.calls) == ("hermes_failed", "status 0", 0)
    assert report.failed
    [line] = gateway_lines(stage, report.turn)
    assert " WARNING " in line
    assert "Hermes failed in " in line
    assert "the session's history could not be read" in line
    log = stage.worker_log("systems").splitlines()
    [end] = [line for line in log if f" end turn={report.turn} " in line]
    assert "outcome=hermes_failed" in end
    assert "the session's history could not be read" in end
    listed = stage.outside(
        sys.executable, "-m", "hermes_router.cli", "turns", "--failed", "-n", "1"
    )
    assert report.turn in listed.stdout
    assert "hermes failed: the session's history could not be read" in listed.stdout
    stage.ask("is all well again?", SYSTEMS, contains="all well again")
    assert wait_ended(stage, "systems", before + 3)[-1].outcome == "answered"


def test_a_fallback_that_answered_is_in_the_record_and_in_both_logs(stage: Stage) -> None:
    profile, before = stage.root.profiles["systems"], len(reports(stage, "systems"))
    fallback = {
        "provider": "custom",
        "model": "systems-fallback",
        "base_url": stage.model.base_url,
        "api_key": "systems-key",
    }
    profile.configure({"fallback_model": fallback})
    stage.model.script(Reply(error=404), contains="who answers now?", model="systems-model")
    try:
        stage.ask("who answers now?", SYSTEMS, contains="who answers now?")
        report = wait_ended(stage, "systems", before + 1)[-1]
    finally:
        stage.model.clear_scripts()
        profile.configure({"fallback_model": None})
    assert (report.outcome, report.fallback) == ("answered", True)
    assert report.model == "systems-fallback"
    [line] = gateway_lines(stage, report.turn)
    assert " WARNING " in line
    assert "by the fallback systems-fallback" in line
    log = stage.worker_log("systems").splitlines()
    [end] = [line for line in log if f" end turn={report.turn} " in line]
    assert "model=systems-fallback fallback=yes" in end
    listed = stage.outside(sys.executable, "-m", "hermes_router.cli", "turns", "-n", "1")
    assert "by the fallback systems-fallback" in listed.stdout


def test_a_profile_without_a_key_is_a_failed_turn(stage: Stage) -> None:
    before = len(reports(stage, "systems"))
    with stage.root.profiles["systems"].without_key():
        told = stage.ask("anybody there?", SYSTEMS)
        report = wait_ended(stage, "systems", before + 1)[-1]
    assert (report.outcome, report.exit, report.calls) == ("no_model", "status 0", 0)
    assert report.failed
    assert report.error
    assert " ".join(told.text.split()) == f"{report.error} [{report.turn}]"
    [line] = gateway_lines(stage, report.turn)
    assert " WARNING " in line
    assert "there is no key or no model in " in line
    assert line.endswith(f": {report.error}")
    log = stage.worker_log("systems").splitlines()
    [end] = [line for line in log if f" end turn={report.turn} " in line]
    assert f'outcome=no_model error="{report.error}"' in end
    listed = stage.outside(
        sys.executable, "-m", "hermes_router.cli", "turns", "--failed", "-n", "1"
    )
    assert report.turn in listed.stdout
    assert f"no model: {report.error[:60]}" in listed.stdout
    stage.ask("is the key back?", SYSTEMS, contains="is the key back?")
    assert wait_ended(stage, "systems", before + 2)[-1].outcome == "answered"


def test_a_profile_that_is_missing_is_recorded_with_the_id_that_people_are_told(
    stage: Stage,
) -> None:
    seq = stage.telegram.seq
    stage.telegram.say("hello?", chat_id=FORUM, thread_id=MISSING)
    told = stage.telegram.wait_reply(FORUM, MISSING, contains="does not exist", after=seq)
    report = reports(stage, "nobody")[-1]
    assert report.outcome == "unusable"
    assert told.text.endswith(f"[{report.turn}]")
