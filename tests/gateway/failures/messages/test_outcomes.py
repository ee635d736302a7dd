"""Each accepted message has one outcome: its answer, or one line that says what became of it.

Each test looks at all that the chat was sent. What a gateway's end costs is in
``faults/test_faults.py``.
"""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage, build_stage, start_cold
from tests.gateway.failures.outcomes import QUIET, said, wait_said
from tests.kit import FakeModel, FakeTelegram, Reply
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    return start_cold(build_stage(tmp_path_factory.mktemp("stage"), telegram, model), "systems")


def test_messages_that_waited_in_a_dead_worker_are_answered_in_their_order(stage: Stage) -> None:
    hold = threading.Event()
    stage.model.script(Reply("too late", hold=hold), contains="the first one", times=1)
    after = stage.telegram.seq
    stage.telegram.say("the first one", thread_id=CAREER)
    stage.model.wait_chat("the first one")
    for text in ("/queue the second one", "/queue the third one"):
        seen = stage.telegram.seq
        stage.telegram.say(text, thread_id=CAREER)
        wait_said(stage, CAREER, seen, "ueue")
    os.kill(stage.worker_in_turn("career"), signal.SIGKILL)
    try:
        wait_said(stage, CAREER, after, "echo: the third one")
    finally:
        hold.set()
    told = [text for text in said(stage, CAREER, after) if "ueued" not in text]
    assert len(told) == 3, told
    assert "stopped unexpectedly" in told[0]
    assert [text.split()[-2] for text in told[1:]] == ["second", "third"]


def test_a_message_that_was_begun_behind_another_one_is_told_of_if_its_worker_dies(
    stage: Stage,
) -> None:
    """Hermes takes it out of its queue before it has sent the answer to the first one."""
    holds = [threading.Event(), threading.Event()]
    for words, hold in zip(("first of two", "second of two"), holds, strict=True):
        stage.model.script(Reply(f"answer to the {words}", hold=hold), contains=words, times=1)
    after = queue_behind(stage, CAREER, "first of two", "second of two")
    holds[0].set()
    try:
        stage.model.wait_chat("second of two")
        os.kill(stage.worker_in_turn("career"), signal.SIGKILL)
    finally:
        holds[1].set()
    wait_said(stage, CAREER, after, "stopped unexpectedly")
    answer, line = said(stage, CAREER, after)
    assert answer == "answer to the first of two"
    assert "stopped unexpectedly" in line


def test_no_model_is_asked_before_the_gateway_has_noted_it(stage: Stage) -> None:
    """Else the next gateway has the message served again, and tools would run twice."""
    after, workers, turns = stage.telegram.seq, worker_lines(stage), turns_begun(stage)
    stage.telegram.say("only once", thread_id=SYSTEMS)
    wait_until(lambda: worker_lines(stage) > workers, ANSWER_SECONDS, "no worker began")
    time.sleep(0.1)  # the worker's pipe has the message
    os.kill(stage.gateway.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: turns_begun(stage) > turns, ANSWER_SECONDS, "no turn began")
        time.sleep(1.5)
        before = [request.last_user for request in stage.model.requests("chat")]
    finally:
        stage.gateway.kill()
    stage.gateway.start()
    wait_said(stage, SYSTEMS, after, "only once")
    time.sleep(QUIET)
    asked = [request.last_user for request in stage.model.requests("chat")]
    assert sum("only once" in text for text in before) == 0
    assert sum("only once" in text for text in asked) == 1
    assert len(said(stage, SYSTEMS, after)) == 1


def test_a_message_that_waited_in_the_worker_of_a_killed_gateway_is_answered_once(
    stage: Stage,
) -> None:
    hold = threading.Event()
    stage.model.script(Reply("too late", hold=hold), contains="a first one", times=1)
    after = queue_behind(stage, SYSTEMS, "a first one", "a second one")
    try:
        stage.gateway.kill()
        time.sleep(1.5)  # its worker lives on for a second
    finally:
        hold.set()
    stage.gateway.start()
    wait_said(stage, SYSTEMS, after, "a second one")
    stage.ask("and now?", SYSTEMS, contains="and now?")
    time.sleep(QUIET)
    line, *answers = said(stage, SYSTEMS, after)
    assert "was interrupted" in line
    assert [text.split()[-2] for text in answers] == ["second", "and"]


def queue_behind(stage: Stage, topic: int, first: str, second: str) -> int:
    """Have the model asked for a message, and another one queued; return the platform's count."""
    after = stage.telegram.seq
    stage.telegram.say(first, thread_id=topic)
    stage.model.wait_chat(first)
    stage.telegram.say(f"/queue {second}", thread_id=topic)
    wait_said(stage, topic, after, "ueue")
    return stage.telegram.seq


def worker_lines(stage: Stage) -> int:
    return stage.worker_log("systems").count("hermes-router worker ")


def turns_begun(stage: Stage) -> int:
    log = stage.root.profiles["systems"].path / "logs" / "agent.log"
    return log.read_text().count("conversation turn: ") if log.exists() else 0


def test_a_message_that_is_delivered_again_starts_no_second_turn(stage: Stage) -> None:
    hold = threading.Event()
    stage.model.script(Reply("the only answer", hold=hold), contains="just once", times=1)
    after = stage.telegram.seq
    number = stage.telegram.say("just once", thread_id=CAREER)
    stage.model.wait_chat("just once")
    stage.telegram.deliver_again(number)
    time.sleep(QUIET)
    hold.set()
    wait_said(stage, CAREER, after, "the only answer")
    stage.wait_settled("career")
    stage.telegram.deliver_again(number)
    time.sleep(QUIET)
    stage.gateway.restart()
    stage.telegram.deliver_again(number)
    time.sleep(QUIET)
    stage.ask("something else", CAREER, contains="something else")
    time.sleep(QUIET)
    assert said(stage, CAREER, after) == ["the only answer", "echo: something else"]


def test_a_message_that_comes_twice_at_once_is_not_joined_to_itself(stage: Stage) -> None:
    after = stage.telegram.seq
    with stage.telegram.together():
        number = stage.telegram.say("once only", thread_id=CAREER)
        stage.telegram.deliver_again(number)
    wait_said(stage, CAREER, after, "once only")
    stage.wait_settled("career")
    assert said(stage, CAREER, after) == ["echo: once only"]


def test_each_part_of_a_joined_message_is_known_again(stage: Stage) -> None:
    after = stage.telegram.seq
    with stage.telegram.together():
        stage.telegram.say("the first part", thread_id=CAREER)
        second = stage.telegram.say("the second part", thread_id=CAREER)
    wait_said(stage, CAREER, after, "the second part")
    stage.wait_settled("career")
    stage.telegram.deliver_again(second)
    stage.telegram.say("something new", thread_id=CAREER)
    wait_said(stage, CAREER, after, "something new")
    time.sleep(QUIET)
    joined = "echo: the first part\nthe second part"
    assert said(stage, CAREER, after) == [joined, "echo: something new"]
