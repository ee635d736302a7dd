"""A streamed answer and a gateway that is cut off: the whole stands alone, a part is told of.

The gateway is killed once, while two answers are streamed in two topics.
"""

from __future__ import annotations

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


HALF, WHOLE = CAREER, 41
"""Topics: of an answer that is cut off in its middle, and of one at its last edit."""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    routes = {str(WHOLE): "career"}
    stage.root.configure({"gateway": {"profile_routes": {"telegram": {str(FORUM): routes}}}})
    telegram.add_topic(WHOLE, "another of career's")
    return stream_by_edits(start_cold(stage, "systems"))


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
