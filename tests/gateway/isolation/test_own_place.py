"""What is for a topic that was deleted goes nowhere: General is another profile's."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.gateway.conftest import Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply
from tests.kit.model.directives import question, tool
from tests.kit.state.cron_store import CronStore
from tests.kit.waiting import wait_until

#: A sandboxed worker that starts cold on a busy machine takes most of a minute.
pytestmark = pytest.mark.timeout(300)

LAUNCHERS = {"local": "career", "bubblewrap": "boxed"}
"""Each launcher, and the profile whose workers it starts."""

ENDED_SECONDS = 100.0
"""A turn whose topic is gone waits for nobody and tries for some seconds only. A cold start and
a `hermes` command before that take half a minute on a busy machine."""
GENERAL = {"general": "systems"}
_POSTS = ("send", "copy", "forward")


WAIT = "sleep 2"
WAYS: dict[str, Callable[[int], str]] = {
    "reply": lambda topic: f"for {topic} {tool('terminal', command=WAIT)}[[say secret of career]]",
    "approval": lambda topic: (
        f"for {topic} {tool('terminal', command=WAIT)}"
        f"{tool('terminal', command='rm -r a-secret-of-career')}"
    ),
    "question": lambda topic: (
        f"for {topic} {tool('terminal', command=WAIT)}{question('which secret?', 'a', 'b')}"
    ),
    "long": lambda topic: f"for {topic} {tool('terminal', command=WAIT)}[[tokens 3000]]",
}
SENDS = "hermes send --to telegram:{chat}:{topic} secret"
MID_TURN: dict[str, Callable[[int], str]] = WAYS | {
    "file": "file for {}".format,
    "program": lambda topic: (
        f"send {topic} "
        + tool("terminal", command=f"{WAIT}; {SENDS.format(chat=FORUM, topic=topic)}")
    ),
}
"""What is said in each topic that is deleted while its turn works."""

TOPICS = {
    (launcher, what): number
    for number, (launcher, what) in enumerate(
        itertools.product(LAUNCHERS, [*MID_TURN, "report", "stop", "first"]), start=41
    )
}
"""Each test deletes one."""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.add_profile("boxed")
    routes = {str(topic): LAUNCHERS[launcher] for (launcher, _), topic in TOPICS.items()}
    profiles = {
        profile: {"launcher": launcher, "limits": {"concurrent_turns": len(MID_TURN)}}
        for launcher, profile in LAUNCHERS.items()
    }
    stage.root.configure(
        {
            "hermes_router": {"profiles": profiles, "schedule": {"cron": 0.2}},
            "gateway": {"profile_routes": {"telegram": {str(FORUM): routes | GENERAL}}},
        }
    )
    for profile in LAUNCHERS.values():
        # Hermes waits for an approval also where nobody could be asked, for a minute unless told.
        stage.root.profiles[profile].configure({"approvals": {"timeout": 8}})
    for topic in TOPICS.values():
        telegram.add_topic(topic, f"to be deleted {topic}")
    return stage


@pytest.fixture(scope="module")
def cut_off(stage: Stage) -> int:
    """Have a turn work in each topic, all at once, and delete each topic under its turn.

    Return the number of the last call before that. Workers are forked: so many cold starts at once
    would take a minute.
    """
    for launcher in LAUNCHERS:
        stage.ask("hello", TOPICS[launcher, "first"], contains="hello")
    wait_until(lambda: all(prepares(stage, profile) for profile in LAUNCHERS.values()), 150)
    seq, said = stage.telegram.seq, dict[int, str]()
    for (launcher, what), topic in TOPICS.items():
        if what in MID_TURN:
            said[topic] = MID_TURN[what](topic)
        if what == "file":
            reply = Reply(f"MEDIA:{report_of(stage, LAUNCHERS[launcher])}", delay=2.0)
            stage.model.script(reply, contains=said[topic], times=1)
    delete_in_mid_turn(stage, said)
    return seq


def prepares(stage: Stage, profile: str) -> bool:
    roles = {one.role for one in stage.gateway.tree() if f" {profile} " in one.cmdline}
    return {"template", "ready"} <= roles


def report_of(stage: Stage, profile: str) -> Path:
    report = stage.root.profiles[profile].path / "workspace" / "report.pdf"
    report.write_bytes(b"%PDF-1.4 of career")
    return report


def delete_in_mid_turn(stage: Stage, said: Mapping[int, str]) -> None:
    """Say something in each topic, and delete each as soon as its model is asked."""
    asked, waiting = stage.model.seq, dict(said)
    for topic, text in said.items():
        stage.telegram.say(text, chat_id=FORUM, thread_id=topic)

    def all_deleted() -> bool:
        last = [request.last_user for request in stage.model.requests("chat", after=asked)]
        for topic, text in list(waiting.items()):
            words = text.split("[[", 1)[0].strip()
            if any(words in one for one in last):
                stage.telegram.delete_topic(topic)
                del waiting[topic]
        return not waiting

    wait_until(all_deleted, 150)


def wait_ended(stage: Stage, launcher: str, topic: int) -> None:
    """Wait until the turns of one topic are over: others of the profile may be at work."""

    def over() -> bool:
        lines = stage.worker_log(LAUNCHERS[launcher]).splitlines()
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


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("way", WAYS)
def test_what_a_turn_says_is_for_its_topic_alone(
    stage: Stage, cut_off: int, launcher: str, way: str
) -> None:
    topic = TOPICS[launcher, way]
    stage.telegram.wait_for(
        lambda call: call.error is not None and call.place == (FORUM, topic),
        after=cut_off,
        timeout=150,
    )
    stage.gateway.wait_log(f"topic {topic} of chat {FORUM} was deleted", log="errors.log")
    wait_ended(stage, launcher, topic)
    assert outside(stage, cut_off) == []


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_file_is_for_its_topic_alone(stage: Stage, cut_off: int, launcher: str) -> None:
    topic = TOPICS[launcher, "file"]
    stage.telegram.wait_for(
        lambda call: call.error is not None and call.place == (FORUM, topic) and bool(call.files),
        after=cut_off,
        timeout=150,
    )
    wait_ended(stage, launcher, topic)
    assert outside(stage, cut_off) == []


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_what_a_program_sends_is_for_its_topic_alone(
    stage: Stage, cut_off: int, launcher: str
) -> None:
    wait_ended(stage, launcher, TOPICS[launcher, "program"])
    assert outside(stage, cut_off) == []


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_jobs_report_is_for_its_topic_alone(stage: Stage, launcher: str) -> None:
    seq, topic = stage.telegram.seq, TOPICS[launcher, "report"]
    stage.telegram.delete_topic(topic)
    cron = CronStore(stage.root.profiles[LAUNCHERS[launcher]].path)
    number = cron.add_script(
        "report", "echo of career", due=-5, deliver=f"telegram:{FORUM}:{topic}"
    )
    cron.wait_run(number)
    assert outside(stage, seq) == []


def test_general_itself_is_answered_in(stage: Stage) -> None:
    answer = stage.ask("hello general", None)
    assert "hello general" in answer.text


def test_the_notice_of_a_restart_is_for_its_topic_alone(stage: Stage) -> None:
    seq, topics = stage.telegram.seq, [TOPICS[launcher, "stop"] for launcher in LAUNCHERS]
    sleeping = tool("terminal", command="sleep 20")
    delete_in_mid_turn(stage, {topic: f"stop {topic} {sleeping}" for topic in topics})
    stage.gateway.restart()
    assert outside(stage, seq) == []
