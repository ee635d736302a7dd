"""An answer that is streamed appears in its topic while the model still writes it."""

from __future__ import annotations

import threading

import pytest

from tests.gateway.conftest import CAREER, STREAMED, Stage, build_stage, start_cold, stream_by_edits
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    return stream_by_edits(
        start_cold(build_stage(tmp_path_factory.mktemp("stage"), telegram, model), "systems")
    )


def test_an_answer_that_is_streamed_grows_in_its_topic(stage: Stage) -> None:
    gate = threading.Event()
    stage.model.script(Reply(STREAMED, hold=gate, hold_after=12), contains="stream it")
    seq = stage.telegram.seq
    stage.telegram.say("stream it", chat_id=FORUM, thread_id=CAREER)
    begun = stage.telegram.wait_reply(
        FORUM, CAREER, contains="word5", after=seq, partial=True, timeout=150
    )
    assert "THE END" not in begun.text
    gate.set()
    whole = stage.telegram.wait_reply(FORUM, CAREER, contains="THE END", after=seq, timeout=150)
    assert whole.text == STREAMED
