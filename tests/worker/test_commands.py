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
        ("/memory", ("memory",)),
        ("/kanban", ("kanban",)),
        ("/reload-skills", ("kills",)),
        ("/new", ()),
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
    last = [call for call in turn.calls if call.method == "send"][-1]
    assert "which word was it?" in str(last.args["content"])  # the model repeats what it is asked


@pytest.mark.skipif(not SIDE_QUESTIONS, reason="Hermes has these commands from 0.21 on")
def test_the_conversation_of_earlier_workers_can_be_reviewed(
    place: Place, model: FakeModel
) -> None:
    place.ask("the word is alabaster")
    for command, kind in (("/refine", "review"), ("/review the word", "chat"), ("/btw eh", "chat")):
        seq = model.seq
        place.say(command).wait_gone()
        asked = [one for one in model.requests(kind, after=seq) if b"alabaster" in one.body]
        assert asked, model.listing(seq)
    assert "Current Session Context" in asked[0].system  # as in a turn
