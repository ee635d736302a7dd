"""What is for a topic that was deleted goes nowhere: General is another profile's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.gateway.conftest import Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply
from tests.kit.state.cron_store import CronStore
from tests.kit.waiting import wait_until

#: A sandboxed worker that starts cold on a busy machine takes most of a minute.
pytestmark = pytest.mark.timeout(300)

TOPICS = [str(number) for number in range(41, 52)]
"""Each test deletes one."""
ENDED_SECONDS = 45.0
"""A turn whose topic is gone waits for nobody and tries for some seconds only."""
_POSTS = ("send", "copy", "forward")


@pytest.fixture(scope="module", params=["local", "bubblewrap"])
def prepared(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    telegram: FakeTelegram,
    model: FakeModel,
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    routes = dict.fromkeys(TOPICS, "career") | {"general": "systems"}
    settings = {"defaults": {"launcher": request.param}, "schedule": {"cron": 0.2}}
    stage.root.configure(
        {
            "hermes_router": settings,
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}},
        }
    )
    # Hermes waits for an approval also where nobody could be asked, for a minute unless told.
    stage.root.profiles["career"].configure({"approvals": {"timeout": 8}})
    for topic in TOPICS:
        telegram.add_topic(int(topic), f"to be deleted {topic}")
    return stage


@pytest.fixture(scope="module")
def topics(prepared: Stage) -> Iterator[int]:
    return iter(map(int, TOPICS))


@pytest.fixture
def topic(topics: Iterator[int]) -> int:
    return next(topics)


def tool(name: str, **arguments: object) -> str:
    return f"[[tool {name} {json.dumps(arguments)}]]"


def delete_in_mid_turn(stage: Stage, topic: int, text: str) -> int:
    """Say something, delete the topic while it is worked on, and wait for the end of the turn."""
    seq, asked, said = stage.telegram.seq, stage.model.seq, text.split("[[", 1)[0].strip()
    stage.telegram.say(text, chat_id=FORUM, thread_id=topic)
    stage.model.wait_for(
        lambda request: request.model == "career-model" and said in request.body.decode(),
        after=asked,
        timeout=100,
    )
    stage.telegram.delete_topic(topic)
    return seq


def wait_ended(stage: Stage, topic: int) -> None:
    """Wait until the turns of one topic are over: others of the profile may be at work."""

    def over() -> bool:
        lines = stage.worker_log("career").splitlines()
        begun = {turn_of(line) for line in lines if f":{topic} " in line and " begin " in line}
        return bool(begun) and begun <= {turn_of(line) for line in lines if " end " in line}

    wait_until(over, ENDED_SECONDS, f"the turn of topic {topic} goes on")


def turn_of(line: str) -> str:
    return line.partition(" turn=")[2].partition(" ")[0]


def outside(stage: Stage, seq: int) -> list[str]:
    """Return what was posted into the forum outside the topic since then."""
    return [
        call.line()
        for call in stage.telegram.calls(after=seq)
        if call.method.startswith(_POSTS)
        and call.method != "sendChatAction"
        and call.params.get("chat_id") == FORUM
        and call.place[1] is None
        and call.error is None
    ]


WAIT = "sleep 2"
#: The one question of before 0.22, which is the first of a list there.
SECRET: dict[str, object] = {"question": "which secret?", "choices": ["a", "b"]}
WAYS: dict[str, Callable[[int], str]] = {
    "reply": lambda topic: f"for {topic} {tool('terminal', command=WAIT)}[[say secret of career]]",
    "approval": lambda topic: (
        f"for {topic} {tool('terminal', command=WAIT)}"
        f"{tool('terminal', command='rm -r a-secret-of-career')}"
    ),
    "question": lambda topic: (
        f"for {topic} {tool('terminal', command=WAIT)}"
        f"{tool('clarify', **SECRET, questions=[SECRET])}"
    ),
    "long": lambda topic: f"for {topic} {tool('terminal', command=WAIT)}[[tokens 3000]]",
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_turn_says_is_for_its_topic_alone(stage: Stage, topic: int, way: str) -> None:
    seq = delete_in_mid_turn(stage, topic, WAYS[way](topic))
    stage.telegram.wait_for(
        lambda call: call.error is not None and call.place == (FORUM, topic), after=seq, timeout=100
    )
    stage.gateway.wait_log(f"topic {topic} of chat {FORUM} is gone", log="errors.log")
    wait_ended(stage, topic)
    assert outside(stage, seq) == []


def test_a_file_is_for_its_topic_alone(stage: Stage, topic: int) -> None:
    report = stage.root.profiles["career"].path / "workspace" / "report.pdf"
    report.write_bytes(b"%PDF-1.4 of career")
    stage.model.script(Reply(f"MEDIA:{report}", delay=2.0), contains=f"file for {topic}", times=1)
    seq = delete_in_mid_turn(stage, topic, f"file for {topic}")
    stage.telegram.wait_for(
        lambda call: call.error is not None and call.place == (FORUM, topic) and bool(call.files),
        after=seq,
        timeout=100,
    )
    wait_ended(stage, topic)
    assert outside(stage, seq) == []


def test_a_jobs_report_is_for_its_topic_alone(stage: Stage, topic: int) -> None:
    seq = stage.telegram.seq
    stage.telegram.delete_topic(topic)
    cron = CronStore(stage.root.profiles["career"].path)
    number = cron.add_script(
        "report", "echo of career", due=-5, deliver=f"telegram:{FORUM}:{topic}"
    )
    cron.wait_run(number)
    assert outside(stage, seq) == []


def test_what_a_program_sends_is_for_its_topic_alone(stage: Stage, topic: int) -> None:
    target = f"telegram:{FORUM}:{topic}"
    text = f"send {topic} {tool('terminal', command=f'{WAIT}; hermes send --to {target} secret')}"
    seq = delete_in_mid_turn(stage, topic, text)
    wait_ended(stage, topic)
    assert outside(stage, seq) == []


def test_the_notice_of_a_restart_is_for_its_topic_alone(stage: Stage, topic: int) -> None:
    seq = delete_in_mid_turn(stage, topic, f"stop {topic} {tool('terminal', command='sleep 20')}")
    stage.gateway.restart()
    assert outside(stage, seq) == []


def test_general_itself_is_answered_in(stage: Stage) -> None:
    answer = stage.ask("hello general", None)
    assert "hello general" in answer.text
