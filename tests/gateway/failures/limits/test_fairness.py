"""A global limit of turns: a busy profile keeps no quiet one waiting, on a real gateway."""

from __future__ import annotations

import threading

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply
from tests.kit.waiting import wait_until

#: More topics of career's, so that it is busy in many places at once.
MORE = (41, 42, 43)


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    routes = {str(topic): "career" for topic in (CAREER, *MORE)} | {str(SYSTEMS): "systems"}
    stage.root.configure(
        {
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}},
            "hermes_router": {"turn_budget": {"concurrent_turns": 2}},
        }
    )
    for topic in MORE:
        telegram.add_topic(topic, f"career {topic}")
    return stage


def chats(stage: Stage, after: int) -> list[str]:
    """Return what the model was asked in turns after a moment, in the order of the requests."""
    return [r.last_user or "" for r in stage.model.requests("chat", after=after)]


@pytest.mark.timeout(240)
def test_a_quiet_profile_is_served_before_what_waits_of_a_busy_one(stage: Stage) -> None:
    stage.ask("warm up", SYSTEMS, contains="warm up")
    stage.wait_answered(10.0)
    after, asked = stage.telegram.seq, stage.model.seq
    working, waiting, hold = (CAREER, MORE[0]), MORE[1:], threading.Event()
    stage.model.script(Reply("slept", hold=hold), contains="sleep on", times=len(working))
    try:
        for topic in working:
            stage.telegram.say(f"sleep on, {topic}", chat_id=FORUM, thread_id=topic)
        wait_until(lambda: len(chats(stage, asked)) == len(working), ANSWER_SECONDS, "two turns")
        for topic in waiting:
            stage.telegram.say(f"[[say slept {topic}]]", chat_id=FORUM, thread_id=topic)
            stage.telegram.wait_reply(FORUM, topic, contains="ahead", after=after, timeout=150)
        stage.telegram.say("quiet", chat_id=FORUM, thread_id=SYSTEMS)
        told = stage.telegram.wait_reply(FORUM, SYSTEMS, contains="ahead", after=after, timeout=150)
        assert told.text.startswith("⏳ 1 message is ahead of yours.")
    finally:
        hold.set()
    for topic, words in ((SYSTEMS, "quiet"), *((topic, "slept") for topic in MORE)):
        stage.telegram.wait_reply(FORUM, topic, contains=words, after=after, timeout=ANSWER_SECONDS)
    requests = chats(stage, asked)
    # Two turns run at once: the third request is of the first one that waited.
    assert [number for number, said in enumerate(requests) if "quiet" in said] == [2], requests
