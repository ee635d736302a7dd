"""An answer that is streamed appears in its topic while the model still writes it."""

from __future__ import annotations

import itertools
import threading

import pytest

from tests.gateway.conftest import CAREER, STREAMED, Stage, build_stage, start_cold, stream_by_edits
from tests.kit import FORUM, Call, FakeModel, FakeTelegram, Reply
from tests.kit.telegram.types import CURSOR


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


def test_a_text_that_hermes_has_given_up_does_not_come_after_the_answer(stage: Stage) -> None:
    """Hermes waits five seconds for the stream's last text; then it sends the whole answer."""
    answer = "word " * 20 + "ONLY ONCE"
    stage.model.script(Reply(answer), contains="say it once")
    stage.telegram.fail_next(
        "sendMessage", 429, retry_after=3, times=2, match=lambda call: "word word" in call.text
    )
    seq = stage.telegram.seq
    stage.telegram.say("say it once", chat_id=FORUM, thread_id=CAREER)
    stage.telegram.wait_reply(FORUM, CAREER, contains="ONLY ONCE", after=seq, timeout=150)
    stage.ask("[[sleep 3]] and then", CAREER)
    calls = stage.telegram.calls("sendMessage", after=seq)
    assert [call.text for call in calls if "word word" in call.text and not call.error] == [answer]


def test_an_answer_that_is_shown_whole_is_not_sent_again(stage: Stage) -> None:
    """Hermes edits an answer again when it is shown already, and sends it where that fails."""
    answer = "word " * 20 + "SHOWN WHOLE"
    whole = itertools.count()

    def is_again(call: Call) -> bool:
        return "SHOWN WHOLE" in call.text and not call.text.endswith(CURSOR) and next(whole) > 0

    stage.model.script(Reply(answer, chunk_delay=0.05), contains="show it whole")
    stage.telegram.fail_next("editMessageText", 500, times=20, match=is_again)
    seq = stage.telegram.seq
    stage.telegram.say("show it whole", chat_id=FORUM, thread_id=CAREER)
    stage.telegram.wait_reply(FORUM, CAREER, contains="SHOWN WHOLE", after=seq, timeout=150)
    stage.ask("[[sleep 3]] and then", CAREER)
    shown = [m.text for m in stage.telegram.transcript(FORUM, CAREER) if "SHOWN WHOLE" in m.text]
    assert shown == [answer]
