"""Slash commands are the profile's, and need no model."""

from __future__ import annotations

import pytest

from tests.kit import FakeModel
from tests.kit.real_worker import Place


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("/help", ("/new", "/model")),
        ("/status", ("Session",)),
        ("/whoami", ("telegram",)),
        ("/reasoning", ("easoning",)),
        ("/usage", ()),
        ("/title a good title", ("a good title",)),
        ("/voice status", ("oice",)),
    ],
    ids=lambda value: value.split()[0] if isinstance(value, str) else "",
)
def test_a_command_is_answered_without_a_model(
    place: Place, model: FakeModel, command: str, words: tuple[str, ...]
) -> None:
    seq = model.seq
    turn = place.say(command)
    turn.finish()
    shown = turn.said + " ".join(str(call.args) for call in turn.calls)
    assert shown.strip()
    assert [word for word in words if word not in shown] == []
    assert model.requests("chat", after=seq) == []
    assert turn.returncode == 0


def test_a_title_is_there_for_the_next_worker(place: Place) -> None:
    place.ask("hello")
    place.ask("/title the best of titles")
    assert "the best of titles" in place.ask("/title")
