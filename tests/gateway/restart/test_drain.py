"""While the gateway drains nothing starts, and what runs can still be answered and stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.gateway.conftest import (
    ANSWER_SECONDS,
    CAREER,
    MULTIPLEXING,
    SYSTEMS,
    Stage,
    build_stage,
)
from tests.kit import FORUM, FakeModel, FakeTelegram, Message
from tests.kit.model.directives import question, tool
from tests.kit.waiting import wait_until

DRAINING = "isn't accepting new turns"
QUESTION = question("Tea or coffee?", "tea", "no")


@pytest.fixture(scope="module", params=MULTIPLEXING, ids="multiplexing={}".format)
def prepared(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    telegram: FakeTelegram,
    model: FakeModel,
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.configure(
        {
            "gateway": {"multiplex_profiles": request.param},
            "agent": {"restart_drain_timeout": 120},
        }
    )
    return stage


@contextmanager
def external_drain(stage: Stage) -> Iterator[None]:
    """Ask the gateway from outside to take no new turns, and see that it has heard."""
    stage.gateway.wait_log("Press Ctrl+C to stop", timeout=ANSWER_SECONDS)
    marker = stage.root.path / ".drain_request.json"
    try:
        with logged(stage, "External drain ENGAGED"):
            marker.write_text("{}")
        yield
    finally:
        with logged(stage, "External drain RELEASED"):
            marker.unlink()


@contextmanager
def logged(stage: Stage, line: str) -> Iterator[None]:
    """Wait until the gateway has logged a line once more than before."""
    before = stage.root.log().count(line)
    yield
    # The gateway looks for the marker only when all else has started, long after it connected.
    wait_until(lambda: stage.root.log().count(line) > before, ANSWER_SECONDS, line)


def begun(stage: Stage) -> int:
    """Count the processes that were started for turns."""
    logs = map(stage.worker_log, ("career", "systems"))
    return sum(log.count(" hermes-router begin ") for log in logs)


def next_prompt(stage: Stage, act: Callable[[], object], topic: int = CAREER) -> Message:
    """Do something that makes the assistant ask, and return its question."""
    seq = stage.telegram.seq
    act()
    return stage.telegram.wait_reply(
        FORUM, topic, after=seq, timeout=ANSWER_SECONDS, where=lambda said: bool(said.buttons)
    )


def asked(stage: Stage, text: str, topic: int) -> Message:
    """Say something that makes the assistant ask, and return its question."""
    return next_prompt(stage, lambda: stage.telegram.say(text, thread_id=topic), topic)


def dangerous(stage: Stage, name: str) -> str:
    """Return what makes the assistant ask whether it may remove a file of career's workspace."""
    (stage.root.profiles["career"].path / "workspace" / name).write_text("precious")
    return tool("terminal", command=f"rm -r {name}")


def there(stage: Stage, name: str) -> bool:
    return (stage.root.profiles["career"].path / "workspace" / name).exists()


def test_an_external_drain_starts_nothing_and_asks_nobody_else(stage: Stage) -> None:
    before, seen, seq = begun(stage), stage.model.seq, stage.telegram.seq
    texts = ("hello?", "/profile", "/new")
    with external_drain(stage):
        for text in texts:
            assert DRAINING in stage.ask(text, CAREER).text
        refused = stage.gateway.log_text().count("unauthorized user 666")
        stage.telegram.say("hello?", thread_id=CAREER, user_id=666)
        wait_until(
            lambda: stage.gateway.log_text().count("unauthorized user 666") > refused,
            100,
            "the stranger was not refused",
        )
    assert begun(stage) == before
    assert stage.model.requests("chat", after=seen) == []
    assert len(stage.telegram.calls("sendMessage", after=seq)) == len(texts)


def test_a_drain_lets_people_approve_what_a_turn_asks(stage: Stage) -> None:
    names = ("by-command", "by-word", "by-button")
    asked(stage, " ".join(dangerous(stage, name) for name in names), CAREER)
    before = begun(stage)
    with external_drain(stage):
        assert DRAINING in stage.ask("and something else", CAREER).text
        assert there(stage, "by-command")
        next_prompt(stage, lambda: stage.telegram.say("/approve", thread_id=CAREER))
        assert not there(stage, "by-command")
        prompt = next_prompt(stage, lambda: stage.telegram.say("yes", thread_id=CAREER))
        assert not there(stage, "by-word")
        seq = stage.telegram.seq
        stage.telegram.click(prompt, "Allow Once")
        stage.telegram.wait_reply(
            FORUM, CAREER, contains="tool said", after=seq, timeout=ANSWER_SECONDS
        )
        assert not there(stage, "by-button")
    assert begun(stage) == before
    stage.wait_settled("career")


def test_a_drain_lets_people_answer_what_a_turn_asks(stage: Stage) -> None:
    asked(stage, QUESTION, SYSTEMS)
    with external_drain(stage):
        assert "tea" in stage.ask("1", SYSTEMS, contains="tool said").text
    stage.wait_settled("systems")


def test_a_drain_lets_people_stop_a_turn(stage: Stage) -> None:
    asked(stage, QUESTION, CAREER)
    before = begun(stage)
    with external_drain(stage):
        assert "did not react" not in stage.ask("/stop", CAREER, contains="topped").text
        stage.wait_settled("career")
        assert DRAINING in stage.ask("still there?", CAREER).text
    assert begun(stage) == before
    assert stage.ask("and now?", CAREER, contains="and now").text.startswith("echo:")


def test_a_shutdown_waits_for_the_turns_and_lets_people_answer_them(stage: Stage) -> None:
    stage.wait_settled("systems")
    asked(stage, dangerous(stage, "at-the-end"), CAREER)
    before, seen, seq = begun(stage), stage.model.seq, stage.telegram.seq
    stopping = threading.Thread(target=stage.gateway.stop, kwargs={"timeout": 240})
    stopping.start()
    stage.telegram.wait_reply(
        FORUM, CAREER, contains="shutting down", after=seq, timeout=ANSWER_SECONDS
    )
    for text in ("hello?", "/new"):
        refused = stage.ask(text, SYSTEMS)
        assert (
            refused.text == "⏳ Gateway is shutting down and is not accepting new work right now."
        )
    assert "another turn" in stage.ask("more work", CAREER).text
    assert there(stage, "at-the-end")
    assert stopping.is_alive()
    stage.ask("/approve", CAREER, contains="tool said")
    stopping.join(250)
    assert not there(stage, "at-the-end")
    assert begun(stage) == before
    assert {request.model for request in stage.model.requests("chat", after=seen)} == {
        "career-model"
    }
    assert stage.gateway.leftovers() == []
