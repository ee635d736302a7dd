"""Waiting for a person takes no place, and who must wait for a place is told once, and may stop."""

from __future__ import annotations

import json

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram

OTHER = 7
"""A second topic of career's, which may run one turn at once."""
ASK = f"[[tool terminal {json.dumps({'command': 'rm -r precious'})}]]"


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    routes = {str(CAREER): "career", str(OTHER): "career"}
    narrow = {"limits": {"concurrent_turns": 1, "queue": 4}}
    stage.root.configure(
        {
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}},
            "hermes_router": {"profiles": {"career": narrow}},
        }
    )
    telegram.add_topic(OTHER, "another of career's")
    return stage


def busy(stage: Stage, seconds: float) -> int:
    """Let a turn of career's run for so long."""
    stage.wait_answered(10.0)
    seq, asked = stage.telegram.seq, stage.model.seq
    said = f"[[sleep {seconds}]][[say slept]]"
    stage.telegram.say(said, chat_id=FORUM, thread_id=CAREER)
    stage.model.wait_for(lambda request: said in request.last_user, after=asked, timeout=60)
    return seq


def test_a_turn_that_waits_for_a_person_leaves_its_place(stage: Stage) -> None:
    prompt = stage.prompted(ASK, CAREER)
    seq = stage.telegram.seq
    stage.telegram.say("and I?", chat_id=FORUM, thread_id=OTHER)
    stage.telegram.wait_reply(FORUM, OTHER, contains="and I?", after=seq, timeout=60)
    stage.telegram.click(prompt, "Deny")
    stage.telegram.wait_reply(FORUM, CAREER, contains="tool said", after=seq, timeout=60)


def test_a_command_without_a_model_waits_for_nobody(stage: Stage) -> None:
    seq = busy(stage, 8)
    stage.telegram.say("/profile", chat_id=FORUM, thread_id=OTHER)
    answer = stage.telegram.wait_reply(
        FORUM, OTHER, contains="career", after=seq, timeout=ANSWER_SECONDS
    )
    slept = stage.telegram.wait_reply(
        FORUM, CAREER, contains="slept", after=seq, timeout=ANSWER_SECONDS
    )
    assert answer.seq < slept.seq


def test_a_message_that_waits_is_told_once_and_can_be_stopped(stage: Stage) -> None:
    seq, asked = busy(stage, 8), stage.model.seq
    stage.telegram.say("too late", chat_id=FORUM, thread_id=OTHER)
    told = stage.telegram.wait_reply(FORUM, OTHER, contains="ahead", after=seq, timeout=30)
    assert told.text.startswith("⏳ 1 message is ahead of yours.")
    stage.telegram.say("/stop", chat_id=FORUM, thread_id=OTHER)
    stopped = stage.telegram.wait_reply(FORUM, OTHER, contains="Stopped", after=seq, timeout=30)
    slept = stage.telegram.wait_reply(FORUM, CAREER, contains="slept", after=seq, timeout=60)
    assert stopped.seq < slept.seq
    stage.ask("what now?", OTHER, contains="what now?")
    requests = [request for request in stage.model.requests(after=asked) if request.kind == "chat"]
    assert all("too late" not in request.last_user for request in requests)


def test_a_message_that_waits_is_answered_in_its_turn(stage: Stage) -> None:
    seq = busy(stage, 4)
    stage.telegram.say("in my turn", chat_id=FORUM, thread_id=OTHER)
    stage.telegram.wait_reply(FORUM, OTHER, contains="ahead", after=seq, timeout=30)
    stage.telegram.wait_reply(FORUM, OTHER, contains="in my turn", after=seq, timeout=60)
    shown = [
        m for m in stage.telegram.transcript(FORUM, OTHER) if m.seq > seq and "ahead" in m.text
    ]
    assert len(shown) == 1
