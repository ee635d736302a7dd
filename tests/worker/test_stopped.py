"""A worker that a stop of the gateway interrupts, with messages that it has not begun."""

from __future__ import annotations

from hermes_router.protocol import messages as msg
from tests.kit import FakeModel
from tests.kit.workers.real_worker import Place, Turn


def last_progress(turn: Turn) -> msg.Progress:
    return [one for one in turn.messages if isinstance(one, msg.Progress)][-1]


def test_what_waits_behind_the_turn_is_left_to_the_gateway(place: Place, model: FakeModel) -> None:
    turn = place.say("[[sleep 60]] busy")
    turn.wait_message(lambda one: isinstance(one, msg.ModelRequest))
    turn.say("/queue a word for later")
    turn.wait_call("send", "ueued")
    turn.stop()
    [idle] = [one for one in turn.messages if isinstance(one, msg.Idle)]
    assert idle.cut_off
    assert last_progress(turn).waiting == [2]
    files = (place.kit.home / "hermes-router" / "sessions").glob("*.json")
    assert all("a word for later" not in file.read_text() for file in files)
    seq = model.seq
    place.ask("hello")
    assert all("later" not in one.last_user for one in model.requests("chat", after=seq))
