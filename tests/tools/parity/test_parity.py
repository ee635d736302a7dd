"""Some of `make parity`, quick enough for `make test`, and proof that it can fail."""

from __future__ import annotations

import pytest

from tests.tools.parity import scenarios as _scenarios  # noqa: F401 - enters them
from tests.tools.parity.differences import DIFFERENCES
from tests.tools.parity.record import _grown
from tests.tools.parity.registry import SCENARIOS
from tests.tools.parity.stage import compare, play_all

POINTS = {1, 2, 3, 4, 5, 6, 7, 8, 9}


@pytest.mark.timeout(300)
def test_a_routed_conversation_is_what_a_plain_gateway_does() -> None:
    rows = list(play_all([scenario for scenario in SCENARIOS if scenario.quick]))
    wrong = {row.scenario.title: row.wrong for row in rows if row.wrong}
    assert not wrong
    assert len(rows) >= 8


def test_each_point_has_scenarios() -> None:
    assert {scenario.point for scenario in SCENARIOS} >= POINTS


def test_what_is_not_on_the_list_fails() -> None:
    anything = SCENARIOS[0]
    _, wrong = compare(["message a", "    said x"], ["message a", "    said y"], anything)
    assert wrong == ("-    said x", "+    said y")
    _, wrong = compare(["HOME is <base>/home"], ["HOME is <base>/home"], anything)
    assert wrong  # a worker that had the user's HOME


def test_the_list_says_why() -> None:
    names = [difference.name for difference in DIFFERENCES]
    assert len(set(names)) == len(names)
    assert all(len(difference.reason) > 30 for difference in DIFFERENCES)
    titles = {scenario.title for scenario in SCENARIOS}
    assert all(set(difference.titles) <= titles for difference in DIFFERENCES)


def test_only_the_steps_of_a_growing_text_are_left_out() -> None:
    grown = [{"plain": text, "text": text} for text in ("a \u2589", "a b \u2589", "a b c")]
    assert [state["text"] for state in _grown(grown)] == ["a b c"]
    changed = [{"plain": text, "text": text} for text in ("a b", "a c")]
    assert [state["text"] for state in _grown(changed)] == ["a b", "a c"]
