"""A streamed answer and a gateway that is cut off: the whole stands alone, a part is told of.

The gateway is killed once, while two answers are streamed in two topics.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass

import pytest

from tests.gateway.conftest import (
    ANSWER_SECONDS,
    CAREER,
    STREAMED,
    Stage,
    build_stage,
    start_cold,
    stream_by_edits,
)
from tests.gateway.failures.outcomes import QUIET, said, steps, wait_said, wait_step
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply

# A busy machine takes a minute for a gateway's start alone.
pytestmark = pytest.mark.timeout(400)


HALF, WHOLE, QUEUED = CAREER, 41, 42
"""Topics: of an answer that is cut off in its middle, of one at its last edit, and of one with a
message behind it."""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    routes = {str(topic): "career" for topic in (WHOLE, QUEUED)}
    stage.root.configure({"gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}}})
    for topic in (WHOLE, QUEUED):
        telegram.add_topic(topic, f"another of career's {topic}")
    return stream_by_edits(start_cold(stage, "systems"))


def test_a_message_that_left_the_queue_is_answered_though_its_worker_dies(stage: Stage) -> None:
    """Hermes takes it out of its queue while it still sends the answer before it."""
    hold = threading.Event()
    after = begin_stream(stage, "stream for the queue", QUEUED, hold)
    stage.telegram.say("/queue what was queued", thread_id=QUEUED)
    wait_said(stage, QUEUED, after, "ueued")
    stage.telegram.set_answer_latency("editMessageText", 6.0)
    hold.set()  # the model ends its answer, and the next edit of it takes long
    time.sleep(QUIET)
    os.kill(stage.worker_in_turn("career"), signal.SIGKILL)
    stage.telegram.clear_faults()
    wait_said(stage, QUEUED, after, "echo: what was queued")
    first, _queued, *lines, last = said(stage, QUEUED, after)
    assert first.startswith("word1 ")
    assert "what was queued" in last
    assert all("stream for the queue" in line for line in lines), lines


@dataclass(frozen=True)
class Killed:
    """A stage whose gateway was killed and has started again, and where the chat stood before."""

    stage: Stage
    after: int


def begin_stream(stage: Stage, text: str, topic: int, hold: threading.Event) -> int:
    """Have an answer streamed up to its middle; return where the chat stood before."""
    stage.model.script(Reply(STREAMED, hold=hold, hold_after=12), contains=text, times=1)
    after = stage.telegram.seq
    stage.telegram.say(text, thread_id=topic)
    stage.telegram.wait_reply(
        FORUM, topic, contains="word5", after=after, partial=True, timeout=ANSWER_SECONDS
    )
    return after


@pytest.fixture(scope="module")
def killed(stage: Stage) -> Killed:
    holds, seen = (threading.Event(), threading.Event()), steps(stage, "said")
    after = begin_stream(stage, "stream a half", HALF, holds[0])
    wait_step(stage, "said", seen)
    begun = begin_stream(stage, "stream the whole", WHOLE, holds[1])
    time.sleep(QUIET)  # no edit is under way
    stage.telegram.set_answer_latency("editMessageText", 3.0)
    holds[1].set()
    stage.telegram.wait_reply(
        FORUM,
        WHOLE,
        after=begun,
        partial=True,
        timeout=ANSWER_SECONDS,
        where=lambda message: message.text == STREAMED,  # the edit before it ends with a cursor
    )
    stage.gateway.kill()
    stage.telegram.clear_faults()
    holds[0].set()
    stage.gateway.start()
    return Killed(stage, after)


def test_a_gateway_that_dies_in_mid_stream_costs_one_line(killed: Killed) -> None:
    wait_said(killed.stage, HALF, killed.after, "was interrupted")
    time.sleep(QUIET)
    half, line = said(killed.stage, HALF, killed.after)
    assert half.startswith("word1 ")
    assert "THE END" not in half
    assert "in the middle of its answer to your message “stream a half”" in line


def test_a_gateway_that_dies_at_the_last_edit_costs_no_second_word(killed: Killed) -> None:
    killed.stage.ask("and now?", WHOLE, contains="and now?")
    time.sleep(QUIET)
    assert said(killed.stage, WHOLE, killed.after) == [STREAMED, "echo: and now?"]
