"""A message behind a streamed answer whose worker dies. Other streams: ``test_faults.py``."""

from __future__ import annotations

import os
import signal
import threading
import time

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
from tests.gateway.failures.outcomes import QUIET, said, wait_said
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply

# A busy machine takes a minute for a gateway's start alone.
pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    return stream_by_edits(start_cold(stage, "systems"))


def test_a_message_that_left_the_queue_is_answered_though_its_worker_dies(stage: Stage) -> None:
    """Hermes takes it out of its queue while it still sends the answer before it."""
    hold = threading.Event()
    after = begin_stream(stage, "stream for the queue", CAREER, hold)
    stage.telegram.say("/queue what was queued", thread_id=CAREER)
    wait_said(stage, CAREER, after, "ueued")
    stage.telegram.set_answer_latency("editMessageText", 6.0)
    hold.set()  # the model ends its answer, and the next edit of it takes long
    time.sleep(QUIET)
    os.kill(stage.worker_in_turn("career"), signal.SIGKILL)
    stage.telegram.clear_faults()
    wait_said(stage, CAREER, after, "echo: what was queued")
    first, _queued, *lines, last = said(stage, CAREER, after)
    assert first.startswith("word1 ")
    assert "what was queued" in last
    assert all("stream for the queue" in line for line in lines), lines


def begin_stream(stage: Stage, text: str, topic: int, hold: threading.Event) -> int:
    """Have an answer streamed up to its middle; return where the chat stood before."""
    stage.model.script(Reply(STREAMED, hold=hold, hold_after=12), contains=text, times=1)
    after = stage.telegram.seq
    stage.telegram.say(text, thread_id=topic)
    stage.telegram.wait_reply(
        FORUM, topic, contains="word5", after=after, partial=True, timeout=ANSWER_SECONDS
    )
    return after
