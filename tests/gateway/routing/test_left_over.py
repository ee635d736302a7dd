"""What the gateway's own profile began in a place does not go on there once the place is routed."""

from __future__ import annotations

import importlib.util
import json
import threading
import time

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply
from tests.kit.roots.homes import DEFAULT_KEY

FEW = {str(CAREER): "career", str(SYSTEMS): "systems"}
LOOPS = importlib.util.find_spec("hermes_cli.loops") is not None
#: Hermes looks for due loops every 15 s.
_LOOP_SECONDS = 40.0
_SAYS = "what the gateway's own profile began there"
"""What the log says of such a place."""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.configure({"loops": {"min_interval_seconds": 5}})
    return stage


def route(stage: Stage, *more: int) -> None:
    """Route the two topics of the profiles, and ``more`` topics to career."""
    topics = FEW | {str(topic): "career" for topic in more}
    stage.root.configure({"gateway": {"profile_routes": None}})
    stage.root.configure({"gateway": {"profile_routes": {"telegram": {str(FORUM): topics}}}})


def asked_by_default(stage: Stage, after: int) -> list[str]:
    """Return what the gateway's own profile asked the model."""
    requests = stage.model.requests("chat", after=after, api_key=DEFAULT_KEY)
    return [request.last_user for request in requests]


@pytest.mark.skipif(not LOOPS, reason="Hermes has recurring prompts from 0.20 on")
def test_a_recurring_prompt_does_not_come_again(stage: Stage) -> None:
    seq = stage.telegram.seq
    stage.telegram.say("/loop 5s --times 9 the secret of the default", thread_id=UNROUTED)
    stage.telegram.wait_reply(FORUM, UNROUTED, contains="echo: ", after=seq, timeout=90)
    route(stage, UNROUTED)
    stage.ask("hello career", UNROUTED, contains="hello career")
    asked, seq = stage.model.seq, stage.telegram.seq
    stage.gateway.wait_log(f"telegram:{FORUM}:{UNROUTED} now: {_SAYS}", timeout=_LOOP_SECONDS)
    time.sleep(_LOOP_SECONDS / 2)
    assert asked_by_default(stage, asked) == []
    with pytest.raises(TimeoutError):
        stage.telegram.wait_reply(FORUM, UNROUTED, after=seq, timeout=0.1)
    route(stage)
    stage.ask("/loop stop", UNROUTED)


def test_a_turn_that_a_stop_cut_off_does_not_go_on(stage: Stage) -> None:
    """Hermes itself goes on with it in most starts, not in all: so the log need not tell of it."""
    hold, topic = threading.Event(), UNROUTED + 1
    stage.ask("hello", topic, contains="hello")
    stage.model.script(Reply("too late", hold=hold), contains="a long question", times=1)
    stage.telegram.say("a long question", thread_id=topic)
    stage.model.wait_chat("a long question")
    stage.gateway.stop()
    hold.set()
    route(stage, topic)
    asked = stage.model.seq
    stage.gateway.start()
    stage.ask("hello career", topic, contains="hello career")
    assert asked_by_default(stage, asked) == []


def test_a_goal_does_not_go_on(stage: Stage) -> None:
    hold, topic = threading.Event(), UNROUTED + 2
    verdict = json.dumps({"verdict": "continue", "reason": "the script says so"})
    stage.model.script(Reply(verdict), kind="goal_judge", times=1)
    stage.model.script(Reply("one", hold=hold), contains="count to two", times=1)
    stage.telegram.say("/goal count to two", thread_id=topic)
    stage.model.wait_chat("count to two")
    route(stage, topic)
    asked = stage.model.seq
    hold.set()
    stage.gateway.wait_log(f"telegram:{FORUM}:{topic} now: {_SAYS}")
    stage.ask("hello career", topic, contains="hello career")
    said = [str(request.messages) for request in stage.model.requests("chat", after=asked)]
    assert [text for text in said if "count to two" in text] == []
    assert asked_by_default(stage, asked) == []
