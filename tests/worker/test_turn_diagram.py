"""What docs/how-it-works.md draws of a turn is what a worker's real Hermes does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from hermes_router.protocol import messages as msg
from hermes_router.turns.notices import notice
from tests.kit.workers.real_worker import Place

PAGE = Path(__file__).parents[2] / "docs" / "how-it-works.md"
_ARROW = re.compile(r"^ +│ +│(?:<─+ (?P<worker>\w+) ─+|─+ (?P<gateway>\w+) ─+>)│", re.MULTILINE)
_ENDS_WITH_ID = re.compile(r"\[[\w-]+\]\s*$")
_MODEL_FAILS = "[[error 400]] now"


def drawn(side: str) -> list[str]:
    """Return the messages of the drawn turn that one side sends, in their order."""
    return [found[side] for found in _ARROW.finditer(PAGE.read_text("utf-8")) if found[side]]


def tags(kinds: Iterable[type]) -> set[str]:
    return {kind.__struct_config__.tag for kind in kinds}  # type: ignore[attr-defined]


def test_each_side_sends_what_is_its_own() -> None:
    assert set(drawn("worker")) <= tags(msg.FromWorker.__args__)
    assert set(drawn("gateway")) <= tags(msg.ToWorker.__args__)
    assert drawn("gateway") == ["start", "event", "result", "result"]


def test_a_turn_goes_as_it_is_drawn(place: Place) -> None:
    turn = place.say("good evening")
    turn.wait_gone()
    sent = [type(one).__struct_config__.tag for one in turn.messages]
    position = 0
    for name in drawn("worker"):
        assert name in sent[position:], f"{name} is not where it is drawn: {sent}"
        position = sent.index(name, position) + 1


def test_what_hermes_says_of_a_failed_model_ends_in_the_id_of_the_turn(place: Place) -> None:
    turn = place.say(_MODEL_FAILS)
    turn.wait_gone()
    [result] = [one for one in turn.messages if isinstance(one, msg.RunResult)]
    assert result.outcome == "model_failed"
    words, bracket, turn_id = turn.said.strip().rpartition(" [")
    assert words
    assert bracket + turn_id == f" [{turn.turn_id}]"
    answered = place.say("good morning")
    answered.wait_gone()
    assert answered.said.strip().endswith("good morning")
    assert _ENDS_WITH_ID.search(notice(None, "1f0c2a9b"))
