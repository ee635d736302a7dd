"""A streamed answer and a gateway that is cut off: the whole stands alone, a part is told of."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.gateway.conftest import (
    ANSWER_SECONDS,
    CAREER,
    STREAMED,
    Stage,
    build_stage,
    stream_by_edits,
)
from tests.gateway.failures.outcomes import QUIET, said, steps, wait_said, wait_step
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply

pytestmark = pytest.mark.timeout(400)  # a busy machine takes a minute for a gateway's start alone


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    return stream_by_edits(build_stage(tmp_path_factory.mktemp("stage"), telegram, model))


@pytest.fixture(autouse=True)
def clean(stage: Stage) -> Iterator[None]:
    yield
    stage.telegram.clear_faults()
    stage.model.clear_scripts()


def begin_stream(stage: Stage, hold: threading.Event) -> int:
    """Have an answer streamed up to its middle; return where the chat stood before."""
    stage.model.script(Reply(STREAMED, hold=hold, hold_after=12), contains="stream it", times=1)
    after = stage.telegram.seq
    stage.telegram.say("stream it", thread_id=CAREER)
    stage.telegram.wait_reply(
        FORUM, CAREER, contains="word5", after=after, partial=True, timeout=ANSWER_SECONDS
    )
    return after


def test_a_gateway_that_dies_in_mid_stream_costs_one_line(stage: Stage) -> None:
    hold, seen = threading.Event(), steps(stage, "said")
    after = begin_stream(stage, hold)
    wait_step(stage, "said", seen)
    stage.gateway.kill()
    hold.set()
    stage.gateway.start()
    wait_said(stage, CAREER, after, "was cut off")
    time.sleep(QUIET)
    half, line = said(stage, CAREER, after)
    assert half.startswith("word1 ")
    assert "THE END" not in half
    assert "in the middle of its answer to your message “stream it”" in line


def test_a_gateway_that_dies_at_the_last_edit_costs_no_second_word(stage: Stage) -> None:
    hold = threading.Event()
    after = begin_stream(stage, hold)
    time.sleep(QUIET)  # no edit is under way
    stage.telegram.set_answer_latency("editMessageText", 3.0)
    hold.set()
    stage.telegram.wait_reply(
        FORUM,
        CAREER,
        after=after,
        partial=True,
        timeout=ANSWER_SECONDS,
        where=lambda message: message.text == STREAMED,  # the edit before it ends with a cursor
    )
    stage.gateway.kill()
    stage.telegram.clear_faults()
    stage.gateway.start()
    stage.ask("and now?", CAREER, contains="and now?")
    time.sleep(QUIET)
    assert said(stage, CAREER, after) == [STREAMED, "echo: and now?"]
