"""Whatever a worker does, the gateway serves the others, says what happened, and cleans up."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from hermes_router.workers.worker_log import TurnRecord, parse_turns
from tests.gateway.conftest import CAREER, SYSTEMS, Stage
from tests.kit import FORUM, Reply
from tests.kit.probes.sleepers import sleepers, sleeping_tool
from tests.kit.waiting import wait_until


def turns_of(stage: Stage, profile: str, topic: int) -> list[TurnRecord]:
    """Return a topic's turns, as the profile's worker log tells them."""
    turns = parse_turns(stage.worker_log(profile).splitlines())
    return [turn for turn in turns if (turn.session or "").endswith(f":{topic}")]


#: A death is seen at once, and not by the end of a time limit; on a free machine it is told in 1 s.
DEATH_SECONDS = 15.0


@pytest.fixture(autouse=True)
def clean(stage: Stage) -> Iterator[None]:
    yield
    stage.model.clear_scripts()


def test_the_next_message_does_not_wait_for_what_follows_a_reply(stage: Stage) -> None:
    hold = threading.Event()
    stage.model.script(Reply("A late title", hold=hold), kind="title", api_key="systems-key")
    seen = stage.model.seq
    stage.ask("first words", SYSTEMS, contains="first words")
    try:
        stage.model.wait_for(
            lambda r: r.kind == "title" and r.api_key == "systems-key", after=seen, timeout=150
        )
        stage.ask("second words", SYSTEMS, contains="second words")
        [first, second] = turns_of(stage, "systems", SYSTEMS)
        assert first.pid != second.pid
        assert first.exit is None
        assert psutil.pid_exists(first.pid or 0)
    finally:
        hold.set()
    stage.wait_settled("systems")
    assert [turn.exit for turn in turns_of(stage, "systems", SYSTEMS)] == ["status 0", "status 0"]
    with sqlite3.connect(stage.root.profiles["systems"].path / "state.db") as database:
        titles = database.execute("SELECT title FROM sessions").fetchall()
    assert ("A late title",) in titles


def test_a_killed_worker_is_reported_and_leaves_nothing(stage: Stage) -> None:
    stage.model.script(sleeping_tool(stage.root.base), contains="sleep now", times=1)
    stage.telegram.say("please sleep now", chat_id=FORUM, thread_id=CAREER)
    wait_until(lambda: len(sleepers()) == 2, 120, "the tool did not start")
    other: list[str] = []
    beside = threading.Thread(
        target=lambda: other.append(stage.ask("all well?", SYSTEMS, contains="all well").text)
    )
    beside.start()
    seq, killed = stage.telegram.seq, time.monotonic()
    os.kill(stage.worker_in_turn("career"), signal.SIGKILL)
    told = stage.telegram.wait_reply(
        FORUM, CAREER, contains="stopped unexpectedly", after=seq, timeout=150
    )
    assert time.monotonic() - killed < DEATH_SECONDS
    assert "send your message again" in told.text
    wait_until(lambda: not sleepers(), 120, "the tree was not ended")
    beside.join(160)
    assert other == ["echo: all well?"]
    stage.ask("and now?", CAREER, contains="and now?")
    stage.wait_settled("career")
    assert "exit=SIGKILL" in stage.worker_log("career")


def test_a_killed_supervisor_leaves_nothing_either(stage: Stage) -> None:
    stage.model.script(sleeping_tool(stage.root.base), contains="sleep again", times=1)
    seq = stage.telegram.seq
    stage.telegram.say("please sleep again", chat_id=FORUM, thread_id=CAREER)
    wait_until(lambda: len(sleepers()) == 2, 120, "the tool did not start")
    worker = stage.worker_in_turn("career")
    os.kill(psutil.Process(worker).ppid(), signal.SIGKILL)
    stage.telegram.wait_reply(
        FORUM, CAREER, contains="stopped unexpectedly", after=seq, timeout=150
    )
    wait_until(lambda: not sleepers(), 120, "the tree was not ended")
    stage.wait_settled("career")


def test_a_second_message_reaches_the_running_turn(stage: Stage) -> None:
    hold = threading.Event()
    stage.model.script(Reply("first answer", hold=hold), contains="a long question", times=1)
    stage.telegram.say("a long question", chat_id=FORUM, thread_id=CAREER)
    stage.model.wait_chat("a long question")
    begun = stage.worker_log("career").count("hermes-router begin")
    stage.telegram.say("and a second one", chat_id=FORUM, thread_id=CAREER)
    try:
        stage.model.wait_chat("and a second one")
    finally:
        hold.set()
    stage.telegram.wait_reply(FORUM, CAREER, contains="and a second one", timeout=150)
    assert stage.worker_log("career").count("hermes-router begin") == begun
    stage.wait_settled("career")


def test_stop_ends_a_running_turn_and_frees_the_lane(stage: Stage) -> None:
    stage.model.script(sleeping_tool(stage.root.base), contains="until I say stop", times=1)
    stage.telegram.say("sleep until I say stop", chat_id=FORUM, thread_id=CAREER)
    wait_until(lambda: len(sleepers()) == 2, 120, "the tool did not start")
    answer = stage.ask("/stop", CAREER)
    assert "stop" in answer.text.lower()
    wait_until(lambda: not sleepers(), 120, "the tool still runs")
    assert stage.ask("still there?", CAREER, contains="still there").text == "echo: still there?"


def test_a_gateway_that_is_killed_takes_its_workers_along(stage: Stage) -> None:
    stage.model.script(sleeping_tool(stage.root.base), contains="sleep on", times=1)
    stage.telegram.say("please sleep on", chat_id=FORUM, thread_id=CAREER)
    wait_until(lambda: len(sleepers()) == 2, 120, "the tool did not start")
    workers = [
        process.pid for process in stage.gateway.tree() if "hermes_router_worker" in process.cmdline
    ]
    assert workers
    seq = stage.telegram.seq
    stage.gateway.kill()
    wait_until(lambda: not sleepers(), 120, "the tree was not ended")
    wait_until(lambda: not any(map(psutil.pid_exists, workers)), 120, "workers are left")
    stage.gateway.start()
    stage.telegram.wait_reply(FORUM, CAREER, contains="was interrupted", after=seq, timeout=150)
    stage.ask("and again?", CAREER, contains="and again")


def test_a_profile_whose_configuration_is_broken_is_served_by_nobody(stage: Stage) -> None:
    config = stage.root.profiles["systems"].path / "config.yaml"
    good, seen = config.read_text(), stage.model.seq
    config.write_text("model: {default: [")
    try:
        answer = stage.ask("who is there?", SYSTEMS)
        assert "'systems'" in answer.text
        assert "config.yaml that cannot be read" in answer.text
    finally:
        config.write_text(good)
    assert stage.model.requests("chat", after=seen) == []
    stage.ask("and now?", SYSTEMS, contains="and now")
