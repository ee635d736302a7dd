"""A message and its answer, in the worker's own Hermes."""

from __future__ import annotations

from hermes_router.protocol import messages as msg
from tests.kit import FakeModel
from tests.kit.workers.real_worker import Place


def test_a_message_is_answered_and_the_worker_exits(place: Place, model: FakeModel) -> None:
    seq = model.seq
    turn = place.say("good morning")
    turn.wait_gone()
    assert "good morning" in turn.said
    assert turn.returncode == 0
    [request] = model.requests("chat", after=seq)
    assert request.api_key == "key-of-career"


def test_the_messages_of_a_turn_come_in_their_order(place: Place) -> None:
    turn = place.say("good evening")
    turn.wait_gone()
    kinds: list[type] = [type(one) for one in turn.messages]
    order = [msg.Hello, msg.Ready, msg.Accepted, msg.Call, msg.Idle, msg.Draining]
    assert [kinds.index(kind) for kind in order] == sorted(kinds.index(kind) for kind in order)


def test_the_next_worker_knows_what_was_said(place: Place, model: FakeModel) -> None:
    place.ask("my name is Ada")
    seq = model.seq
    place.ask("and what is my name?")
    [request] = model.requests("chat", after=seq)
    assert any("my name is Ada" in str(one) for one in request.messages)


def test_tools_run_where_dangerous_commands_wait_for_a_person(place: Place) -> None:
    assert "asks=1" in place.ask('[[tool terminal {"command": "echo asks=$HERMES_EXEC_ASK"}]]')


def test_profile_names_the_profile(place: Place) -> None:
    said = place.ask("/profile")
    assert "career" in said
    assert str(place.kit.home) in said
