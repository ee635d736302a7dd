"""Some of `make parity`, quick enough for `make test`, and proof that it can fail."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway, HermesRoot
from tests.tools.parity import scenarios as _scenarios  # noqa: F401 - enters them
from tests.tools.parity.differences import DIFFERENCES
from tests.tools.parity.record import Record, _grown
from tests.tools.parity.registry import SCENARIOS
from tests.tools.parity.scene import Scene
from tests.tools.parity.sides import FIRST_USER, Side
from tests.tools.parity.stage import compare, play_all

POINTS = {1, 2, 3, 4, 5, 6, 7, 8, 9}


@pytest.mark.timeout(300)
def test_a_routed_conversation_is_what_a_plain_gateway_does() -> None:
    rows = list(play_all([scenario for scenario in SCENARIOS if scenario.quick]))
    wrong = [f"{row.scenario.title}:\n" + "\n".join(row.wrong) for row in rows if row.wrong]
    if wrong:
        pytest.fail("\n\n".join(wrong), pytrace=False)  # an assertion would cut the difference off
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


def test_ids_of_messages_are_named_where_hermes_tells_them_to_the_model(tmp_path: Path) -> None:
    lines = _told_of_a_message(tmp_path / "one", 20_000)
    assert lines == _told_of_a_message(tmp_path / "other", 30_000)
    assert any("<user message 1>" in line for line in lines)
    assert any("27182" in line for line in lines)  # what is not the scene's would be a difference


def _told_of_a_message(base: Path, last_message: int) -> list[str]:
    """Return what is compared where the model is told the id of a message."""
    with FakeTelegram() as telegram, FakeModel() as model:
        telegram.world.last_message = last_message
        root = HermesRoot(base, telegram=telegram, model=model)
        scene = Scene(Side("plain", telegram, model, root, Gateway(root)), FORUM, 2_000, FIRST_USER)
        origin = {"message_id": str(scene.say("rather this")), "source_message_id": "27182"}
        started = {"role": "system", "content": "Conversation started: today"}
        told = {"role": "user", "content": json.dumps(origin)}
        body = {"model": "kit-model", "messages": [started, told]}
        httpx.post(f"{model.base_url}/chat/completions", json=body).raise_for_status()
        return Record(scene).lines
