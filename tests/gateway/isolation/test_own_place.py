"""What is for a topic that was deleted or closed goes nowhere: General is another profile's."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.gateway.conftest import STREAMED, Stage, build_stage, stream_by_edits
from tests.kit import FORUM, Call, FakeModel, FakeTelegram, Reply
from tests.kit.model.directives import question, tool
from tests.kit.state.cron_store import CronStore
from tests.kit.waiting import wait_until

#: One test waits for a refusal and then for the end of its turn.
pytestmark = pytest.mark.timeout(450)

LAUNCHERS = {"local": "career", "bubblewrap": "boxed"}
"""Each launcher, and the profile whose workers it starts."""
STREAMS = {"local": "streams", "bubblewrap": "boxed-streams"}
"""Profiles whose answers appear while the model still writes."""

REFUSED_SECONDS = 150.0
ENDED_SECONDS = 200.0
"""A turn whose topic is gone waits for nobody and tries a few times only. But Hermes lets a second
pass between two messages to one chat, and all turns of this file try in the same forum: on a busy
machine the last of them ends two minutes after its first refusal."""
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
    "background": lambda topic: (
        f"begin {topic} "
        + tool("terminal", command="sleep 6", background=True, notify_on_complete=True)
    ),
    "closed": lambda topic: f"for {topic} {tool('terminal', command=WAIT)}[[say secret of career]]",
}
"""What is said in each topic that is deleted, or closed, while its turn works."""

TOPICS = {
    (launcher, what): number
    for number, (launcher, what) in enumerate(
        itertools.product(LAUNCHERS, [*MID_TURN, "report", "stream", "stop", "late", "first"]),
        start=41,
    )
}
"""Each test deletes or closes one."""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    for profile in ("boxed", *STREAMS.values()):
        stage.root.add_profile(profile)
    routes = {str(topic): profile_of(*key) for key, topic in TOPICS.items()}
    profiles = {
        profile: {"launcher": launcher, "limits": {"concurrent_turns": len(MID_TURN)}}
        for launcher, profile in [*LAUNCHERS.items(), *STREAMS.items()]
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
    for profile in STREAMS.values():
        stream_by_edits(stage, profile)
    for topic in TOPICS.values():
        telegram.add_topic(topic, f"to be deleted {topic}")
    return stage


def profile_of(launcher: str, what: str) -> str:
    return (STREAMS if what == "stream" else LAUNCHERS)[launcher]


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
    closed = {TOPICS[launcher, "closed"] for launcher in LAUNCHERS}
    end_in_mid_turn(stage, said, closed)
    return seq


def prepares(stage: Stage, profile: str) -> bool:
    roles = {one.role for one in stage.gateway.tree() if f" {profile} " in one.cmdline}
    return {"template", "ready"} <= roles


def report_of(stage: Stage, profile: str) -> Path:
    report = stage.root.profiles[profile].path / "workspace" / "report.pdf"
    report.write_bytes(b"%PDF-1.4 of career")
    return report


def end_in_mid_turn(
    stage: Stage, said: Mapping[int, str], closed: Collection[int] = frozenset()
) -> None:
    """Say something in each topic, and delete or close each as soon as its model is asked."""
    asked, waiting = stage.model.seq, dict(said)
    for topic, text in said.items():
        stage.telegram.say(text, chat_id=FORUM, thread_id=topic)

    def all_ended() -> bool:
        last = [request.last_user for request in stage.model.requests("chat", after=asked)]
        for topic, text in list(waiting.items()):
            words = text.split("[[", 1)[0].strip()
            if any(words in one for one in last):
                end = stage.telegram.close_topic if topic in closed else stage.telegram.delete_topic
                end(topic)
                del waiting[topic]
        return not waiting

    wait_until(all_ended, 150)


def wait_ended(stage: Stage, launcher: str, what: str) -> None:
    """Wait until the turns of one topic are over: others of the profile may be at work."""
    topic = TOPICS[launcher, what]

    def over() -> bool:
        lines = stage.worker_log(profile_of(launcher, what)).splitlines()
        begun = {turn_of(line) for line in lines if f":{topic} " in line and " begin " in line}
        ended = {turn_of(line) for line in lines if " end " in line}
        return bool(begun) and begun <= ended

    wait_until(over, ENDED_SECONDS, f"the turn of topic {topic} goes on")


def turn_of(line: str) -> str:
    return line.partition(" turn=")[2].partition(" ")[0]


def wait_refused(
    stage: Stage, topic: int, seq: int, *, text: str = "", with_file: bool = False
) -> Call:
    """Wait until Telegram refuses something for the topic, and return that."""
    return stage.telegram.wait_for(
        lambda call: (
            call.error is not None
            and call.place == (FORUM, topic)
            and call.method.startswith(_POSTS)
            and call.method != "sendChatAction"
            and (bool(call.files) or not with_file)
            and text in (call.text or "")
        ),
        after=seq,
        timeout=REFUSED_SECONDS,
    )


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
    wait_refused(stage, topic, cut_off)
    stage.gateway.wait_log(f"topic {topic} of chat {FORUM} was deleted", log="errors.log")
    wait_ended(stage, launcher, way)
    assert outside(stage, cut_off) == []


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_closed_topic_is_not_answered_elsewhere(
    stage: Stage, cut_off: int, launcher: str
) -> None:
    wait_refused(stage, TOPICS[launcher, "closed"], cut_off)
    stage.gateway.wait_log("Topic_closed", log="errors.log")
    wait_ended(stage, launcher, "closed")
    assert outside(stage, cut_off) == []


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_file_is_for_its_topic_alone(stage: Stage, cut_off: int, launcher: str) -> None:
    wait_refused(stage, TOPICS[launcher, "file"], cut_off, with_file=True)
    wait_ended(stage, launcher, "file")
    assert outside(stage, cut_off) == []


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_what_a_program_sends_is_for_its_topic_alone(
    stage: Stage, cut_off: int, launcher: str
) -> None:
    wait_ended(stage, launcher, "program")
    assert outside(stage, cut_off) == []


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_background_report_is_for_its_topic_alone(
    stage: Stage, cut_off: int, launcher: str
) -> None:
    wait_refused(stage, TOPICS[launcher, "background"], cut_off, text="Background process")
    wait_ended(stage, launcher, "background")
    assert outside(stage, cut_off) == []


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_end_of_a_stream_is_for_its_topic_alone(stage: Stage, launcher: str) -> None:
    gate, seq, topic = threading.Event(), stage.telegram.seq, TOPICS[launcher, "stream"]
    words = f"stream in {topic}"
    stage.model.script(Reply(STREAMED, hold=gate, hold_after=12), contains=words, times=1)
    stage.telegram.say(words, thread_id=topic)
    stage.telegram.wait_reply(FORUM, topic, contains="word5", after=seq, partial=True, timeout=150)
    stage.telegram.delete_topic(topic)
    deleted = stage.telegram.seq
    gate.set()
    wait_refused(stage, topic, deleted)
    wait_ended(stage, launcher, "stream")
    assert outside(stage, seq) == []


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
    end_in_mid_turn(stage, {topic: f"stop {topic} {sleeping}" for topic in topics})
    stage.gateway.restart()
    assert outside(stage, seq) == []


def test_what_is_left_over_from_before_a_kill_is_for_its_topic_alone(stage: Stage) -> None:
    seq, topics = stage.telegram.seq, [TOPICS[launcher, "late"] for launcher in LAUNCHERS]
    for topic in topics:
        within = partial(_is_in, topic)
        stage.telegram.fail_next("sendMessage", 429, retry_after=4, times=99, match=within)
        stage.telegram.say(f"late answer for {topic}", thread_id=topic)
    # After the first refusal, the adapter asks for no topic of the forum until it may again.
    for topic, profile in zip(topics, LAUNCHERS.values(), strict=True):
        wait_until(partial(has_unsent_reply, stage, profile, topic), what=f"no reply for {topic}")
    wait_until(lambda: any(is_refused(call) for call in stage.telegram.calls(after=seq)))
    # A gateway that dies before it has noted the refusal takes the reply for delivered.
    wait_until(lambda: {last_step(stage, topic) for topic in topics} == {"begun"})
    stage.gateway.kill()
    stage.telegram.clear_faults()
    for topic in topics:
        stage.telegram.delete_topic(topic)
    killed = stage.telegram.seq
    stage.gateway.start()
    for topic in topics:
        wait_refused(stage, topic, killed)
    stage.ask("all well in general?", None, contains="all well in general?")
    assert all("all well" in line for line in outside(stage, killed))


def has_unsent_reply(stage: Stage, profile: str, topic: int) -> bool:
    """Return True if the profile's ledger of replies has one for this topic."""
    file = stage.root.profiles[profile].path / "state.db"
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        query = "SELECT count(*) FROM delivery_obligations WHERE session_key LIKE ? AND state != ?"
        try:
            (found,) = database.execute(query, (f"%:{topic}", "delivered")).fetchone()
        except sqlite3.OperationalError:  # the first reply makes the table
            return False
    return bool(found)


def last_step(stage: Stage, topic: int) -> str:
    """Return how far the gateway's ledger says that the last message of a topic is."""
    ledger, lines = stage.root.path / "hermes-router" / "ledger.jsonl", []
    for line in ledger.read_text("utf-8").splitlines():
        with contextlib.suppress(ValueError):  # it is being written
            lines.append(json.loads(line))
    ids = [line["id"] for line in lines if line.get("session", "").endswith(f":{topic}")]
    return [line["step"] for line in lines if line["id"] == ids[-1]][-1] if ids else ""


def is_refused(call: Call) -> bool:
    return call.method == "sendMessage" and (call.error or "").startswith("429")


def _is_in(topic: int, call: Call) -> bool:
    return call.place == (FORUM, topic)
