"""A global limit of turns: a busy profile keeps no quiet one waiting, on a real gateway."""

from __future__ import annotations

import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram

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


@pytest.mark.timeout(240)
def test_a_quiet_profile_is_served_before_what_waits_of_a_busy_one(stage: Stage) -> None:
    stage.ask("warm up", SYSTEMS, contains="warm up")
    stage.wait_answered(10.0)
    after, asked = stage.telegram.seq, stage.model.seq
    for topic in (CAREER, *MORE):
        stage.telegram.say(f"[[sleep 4]][[say slept {topic}]]", chat_id=FORUM, thread_id=topic)
    stage.telegram.wait_reply(FORUM, MORE[2], contains="ahead", after=after, timeout=60)
    stage.telegram.say("quiet", chat_id=FORUM, thread_id=SYSTEMS)
    told = stage.telegram.wait_reply(FORUM, SYSTEMS, contains="ahead", after=after, timeout=60)
    assert told.text.startswith("⏳ 1 message is ahead of yours.")
    for topic, words in ((SYSTEMS, "quiet"), *((topic, "slept") for topic in MORE)):
        stage.telegram.wait_reply(FORUM, topic, contains=words, after=after, timeout=ANSWER_SECONDS)
    requests = [r.last_user or "" for r in stage.model.requests(after=asked) if r.kind == "chat"]
    # Two turns run at once: the third request is of the first one that waited.
    assert [number for number, said in enumerate(requests) if "quiet" in said] == [2], requests
