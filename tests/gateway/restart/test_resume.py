"""A turn that an orderly stop cuts off is gone on with after the next start, as Hermes's own is."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tests.gateway.conftest import (
    ANSWER_SECONDS,
    CAREER,
    SYSTEMS,
    UNROUTED,
    Stage,
    build_stage,
    start_cold,
    stream_by_edits,
)
from tests.gateway.failures.outcomes import NOTE, QUIET, said, wait_said
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply
from tests.kit.waiting import wait_until

#: Each test starts the gateway up to three times.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.profiles["career"].configure({"display": {"busy_input_mode": "queue"}})
    return start_cold(stream_by_edits(stage, "systems"), "systems")


@pytest.fixture
def held(stage: Stage) -> Iterator[threading.Event]:
    """Whether the model answers what it was asked to wait with."""
    hold = threading.Event()
    yield hold
    hold.set()
    stage.model.clear_scripts()


def ask_and_hold(stage: Stage, text: str, hold: threading.Event, topic: int = CAREER) -> None:
    """Say something in a topic, and have the model wait with its answer."""
    stage.model.script(Reply(f"late: {text}", hold=hold), contains=text, times=1)
    stage.telegram.say(text, thread_id=topic)
    stage.model.wait_chat(text)


def restart(stage: Stage, hold: threading.Event) -> None:
    stage.gateway.stop()
    hold.set()
    stage.gateway.start()


def test_a_turn_that_a_stop_cuts_off_is_gone_on_with_as_in_hermes(
    stage: Stage, held: threading.Event
) -> None:
    stage.ask("warm up", CAREER, contains="warm up")
    stage.ask("you too", UNROUTED, contains="you too")
    after = stage.telegram.seq
    ask_and_hold(stage, "an unrouted question", held, UNROUTED)
    ask_and_hold(stage, "a routed question", held)
    stage.telegram.say("and one more", thread_id=CAREER)
    wait_until(lambda: "and one more" in waiting(stage), 120, "it does not wait")
    restart(stage, held)
    wait_said(stage, UNROUTED, after, NOTE)
    wait_said(stage, CAREER, after, "and one more")
    time.sleep(QUIET)
    routed, unrouted = answers(stage, CAREER, after), answers(stage, UNROUTED, after)
    assert [NOTE in text for text in unrouted] == [True], unrouted
    assert ["and one more" in text for text in routed] == [False, True], routed
    assert NOTE in routed[0]
    prompt = stage.model.wait_for(
        lambda asked: asked.model == "career-model" and NOTE in asked.last_user
    )
    assert "a routed question" in str(prompt.json)
    assert stage.ask("and now?", CAREER, contains="and now?").text == "echo: and now?"


def test_a_streamed_answer_that_a_stop_cuts_off_is_gone_on_with(
    stage: Stage, held: threading.Event
) -> None:
    after, words = stage.telegram.seq, " ".join(f"word{number}" for number in range(1, 31))
    streamed = Reply(f"late: {words}", hold=held, hold_after=12)
    stage.model.script(streamed, contains="a streamed question", times=1)
    stage.telegram.say("a streamed question", thread_id=SYSTEMS)
    stage.telegram.wait_reply(
        FORUM, SYSTEMS, contains="word5", after=after, partial=True, timeout=ANSWER_SECONDS
    )
    restart(stage, held)
    wait_said(stage, SYSTEMS, after, NOTE)
    time.sleep(QUIET)
    part, rest = answers(stage, SYSTEMS, after)
    assert "word5" in part
    assert "word30" not in part
    assert NOTE in rest


def test_a_turn_that_is_cut_off_again_is_told_of(stage: Stage, held: threading.Event) -> None:
    again, after, asked = threading.Event(), stage.telegram.seq, stage.model.seq
    held_again = Reply("too late", hold=again)
    stage.model.script(held_again, contains=NOTE, model="career-model", times=1)
    ask_and_hold(stage, "a question for two stops", held)
    restart(stage, held)
    stage.model.wait_for(  # the unrouted topic's turn may be gone on with once more, too
        lambda request: request.model == "career-model" and NOTE in request.last_user, after=asked
    )
    restart(stage, again)
    wait_said(stage, CAREER, after, "a question for two stops")
    time.sleep(QUIET)
    assert [text[0] for text in answers(stage, CAREER, after)] == ["⚠"]
    stage.ask("all well?", CAREER, contains="all well?")


def test_a_second_signal_costs_no_outcome(stage: Stage, held: threading.Event) -> None:
    after = stage.telegram.seq
    ask_and_hold(stage, "a question for two signals", held)
    os.kill(stage.gateway.pid, signal.SIGTERM)
    time.sleep(0.3)
    os.kill(stage.gateway.pid, signal.SIGTERM)
    restart(stage, held)
    wait_until(lambda: bool(answers(stage, CAREER, after)), 120, "nothing was said")
    time.sleep(QUIET)
    assert len(answers(stage, CAREER, after)) == 1
    stage.ask("still well?", CAREER, contains="still well?")


def answers(stage: Stage, topic: int, after: int) -> list[str]:
    """Return what a topic was sent, without what Hermes says of its own stop and of its queue."""
    texts = said(stage, topic, after)
    return [text for text in texts if text.startswith(("echo:", "late:", "too late", "⚠️ The"))]


def waiting(stage: Stage) -> str:
    """Return what the career's messages without an outcome say."""
    folder = stage.root.profiles["career"].path / "hermes-router" / "waiting"
    found = []
    for path in folder.glob("*.json"):
        with contextlib.suppress(FileNotFoundError):  # it has its outcome since
            found.append(path.read_text())
    return " ".join(found)
