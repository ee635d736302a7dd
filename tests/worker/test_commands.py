"""Slash commands are the profile's, and need no model."""

from __future__ import annotations

import pytest
from hermes_cli.commands import COMMAND_REGISTRY

from tests.kit import FakeModel
from tests.kit.workers.real_worker import Place

SIDE_QUESTIONS = any(command.name == "btw" for command in COMMAND_REGISTRY)
"""Does /btw know the conversation? Before Hermes 0.21 it is another name of /background."""


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


@pytest.mark.parametrize("command", ["/btw", "/bg"])
def test_a_question_beside_the_turn_is_answered_before_the_worker_leaves(
    place: Place, model: FakeModel, command: str
) -> None:
    place.ask("the word is alabaster")
    seq = model.seq
    turn = place.say(f"{command} which word was it?")
    turn.wait_gone()
    asked = [one.body for one in model.requests(after=seq) if b"which word was it?" in one.body]
    assert asked
    side_question = command == "/btw" and SIDE_QUESTIONS
    assert any(b"alabaster" in body for body in asked) is side_question
    answer = "ok" if side_question else "echo: which word was it?"
    last = [call for call in turn.calls if call.method == "send"][-1]
    assert answer in str(last.args["content"])
