"""What makes a soak fail. The soak itself: `make soak`."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hermes_router.state.ledger import Identity, Ledger
from tests.kit import FakeTelegram, Reply
from tests.kit.model.script import parse
from tests.kit.probes.gateway_use import Use, growth
from tests.kit.telegram.types import CURSOR
from tests.tools.soak.people import accepted_in, is_accepted
from tests.tools.soak.plan import full
from tests.tools.soak.said import KINDS, Conversation
from tests.tools.soak.verdict import Outcomes, judge

NUMBER = 7


def judged(*texts: str, messages: int = 2, prompt: str = "") -> Outcomes:
    """Return the verdict on a conversation of so many messages that was sent these texts."""
    talk = Conversation(NUMBER, "profile0")
    with FakeTelegram() as telegram:
        for _ in range(messages):
            talk.new("plain", time.monotonic())
        for text in texts:
            post(telegram, talk.chat, text)
        if prompt:
            post(telegram, talk.chat, prompt)
            talk.prompts.add(telegram.transcript(talk.chat)[-1].id)
        return judge(telegram, [talk])


def post(telegram: FakeTelegram, chat: int, text: str) -> None:
    """Put a message of the bot's into a chat."""
    stored = telegram.world.new_message(chat, None, {}, telegram.token)
    stored.text = text


FIRST, SECOND = f"done:c{NUMBER}m1.", f"done:c{NUMBER}m2."
STOPPED = "⚠️ The assistant of this conversation stopped unexpectedly."
CUT_OFF = f"⚠️ cut off before “c{NUMBER}m1 [[say”"
UNFINISHED = f"one two {FIRST} {CURSOR}"


def test_an_answer_or_a_line_for_each_message_is_right() -> None:
    assert judged(f"one two {FIRST}", SECOND).wrong == []
    assert judged(FIRST, STOPPED).wrong == []
    assert judged(CUT_OFF, SECOND).wrong == []


def test_what_asks_a_person_is_no_outcome() -> None:
    assert judged(FIRST, SECOND, prompt="⚠️ May it run?").wrong == []
    assert judged(FIRST, prompt="⚠️ May it run?").wrong


def test_a_line_may_be_about_an_answer_whose_last_edit_did_not_come() -> None:
    for line in ((), (CUT_OFF,), (STOPPED,)):
        assert judged(UNFINISHED, *line, SECOND).wrong == []
    [wrong] = judged(UNFINISHED, STOPPED, STOPPED, SECOND).wrong
    assert "lines too many" in wrong


@pytest.mark.parametrize(
    ("texts", "wrong"),
    [
        ((FIRST,), "silence"),
        ((FIRST, FIRST, SECOND), "twice"),
        ((FIRST, CUT_OFF, SECOND), "twice"),
        ((FIRST, SECOND, STOPPED), "lines too many"),
        ((SECOND, FIRST), "out of order"),
        ((FIRST, SECOND, "done:c999m1."), "in c7"),
    ],
)
def test_anything_else_is_wrong(texts: tuple[str, ...], wrong: str) -> None:
    assert any(wrong in line for line in judged(*texts).wrong)


def test_what_is_wrong_is_shown_with_all_that_was_said() -> None:
    [seen] = judged(FIRST).seen
    assert f"c{NUMBER}m2 (plain)" in seen
    assert FIRST in seen


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_says_the_mark_of_an_answer_in_one_piece(kind: str) -> None:
    said = Conversation(NUMBER, "profile0").new(kind, time.monotonic())
    steps = parse(said.words)
    assert any(said.answer in piece for piece in Reply(steps.say or "").chunks())
    assert steps.rest.startswith(said.mark)


def test_a_message_is_seen_in_the_ledger_of_the_gateway(tmp_path: Path) -> None:
    talk, file = Conversation(NUMBER, "profile0"), tmp_path / "ledger.jsonl"
    ledger = Ledger(file)
    for number in (1, 2):
        said = talk.new("plain", time.monotonic())
        assert not is_accepted(talk, accepted_in(file))
        accept(ledger, talk, number)
        assert is_accepted(talk, accepted_in(file))
        assert said in talk.open


def accept(ledger: Ledger, talk: Conversation, number: int) -> None:
    """Enter a message, as a gateway does."""
    source = {"platform": "telegram", "chat_id": str(talk.chat)}
    identity = Identity(**source, parts=((str(number), ""),))
    entry = ledger.accept(identity, profile=talk.profile, session="key", source=source)
    assert ledger.record(entry)


def test_a_gateway_that_grows_is_wrong() -> None:
    early = Use(100, 150.0, 80, 20, 6)
    assert growth(early, early) == []
    late = Use(200, 200.0, 120, 40, 12)
    assert len(growth(early, late)) == 4


def test_a_long_soak_kills_the_gateway_every_two_minutes() -> None:
    plan = full(10)
    assert (plan.lives, plan.seconds, plan.conversations, plan.profiles) == (5, 120.0, 200, 20)
    assert plan.least == 2000
