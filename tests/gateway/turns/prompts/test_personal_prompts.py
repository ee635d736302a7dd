"""Where sessions are one person's, only who was asked may click, as only they may type."""

from __future__ import annotations

import pytest

from tests.gateway.conftest import CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Message
from tests.kit.model.directives import tool
from tests.kit.telegram.types import USER

COLLEAGUE = 8_000_017
ASK = tool("terminal", command="rm -r precious")


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.env({"TELEGRAM_ALLOWED_USERS": f"{USER},{COLLEAGUE}"})
    stage.root.profiles["systems"].configure({"thread_sessions_per_user": True})
    return stage


def click(stage: Stage, message: Message, user: int) -> str:
    query = stage.telegram.click(message, "Deny", user_id=user)
    answer = stage.telegram.wait_call("answerCallbackQuery", callback_query_id=query, timeout=150)
    return str(answer.params.get("text", ""))


def test_a_click_of_another_is_refused_and_the_askers_counts(stage: Stage) -> None:
    prompt, seq = stage.prompted(ASK, SYSTEMS), stage.telegram.seq
    assert click(stage, prompt, COLLEAGUE) == "⛔ This question is for another person."
    assert stage.telegram.message(prompt.id).buttons
    assert click(stage, prompt, USER) == "❌ Denied"
    stage.telegram.wait_reply(FORUM, SYSTEMS, contains="tool said", after=seq, timeout=150)


def test_anybody_may_click_where_the_session_is_everybodys(stage: Stage) -> None:
    assert click(stage, stage.prompted(ASK, CAREER), COLLEAGUE) == "❌ Denied"
