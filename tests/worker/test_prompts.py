"""What a worker asks people, and how their clicks and words reach it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from hermes_router.protocol import messages as msg
from tests.kit import HermesRoot
from tests.kit.workers.real_worker import Place, Turn, message_of

CLOSES_CARDS = importlib.util.find_spec("gateway.run_turn_runner_approval_settle") is not None
"""Does this Hermes write into a prompt that nobody answered in time? 0.21.3 and newer do."""


def dangerous(target: Path) -> str:
    """Return a message that makes the agent run something that needs approval."""
    target.mkdir()
    command = json.dumps({"command": f"rm -rf {target}; echo removed"})
    return f"[[tool terminal {command}]]"


def test_a_click_runs_the_command_that_waited(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "victim"
    turn = place.say(dangerous(target))
    prompt = turn.wait_call("send_exec_approval")
    assert str(target) in str(prompt.args)
    assert target.exists()
    turn.click(prompt, "once")
    turn.wait_gone()
    assert not target.exists()


def test_a_denied_command_is_not_run(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "victim"
    turn = place.say(dangerous(target))
    turn.click(turn.wait_call("send_exec_approval"), "deny")
    turn.wait_gone()
    assert target.exists()


def test_a_typed_answer_closes_the_prompt(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "victim"
    turn = place.say(dangerous(target))
    prompt = turn.wait_call("send_exec_approval")
    turn.say("/approve")
    turn.wait_message(lambda one: isinstance(one, msg.Closed) and one.call == prompt.id)
    turn.wait_gone()
    assert not target.exists()


def test_what_nobody_approves_is_not_run_and_its_prompt_is_closed(
    root: HermesRoot, place: Place, tmp_path: Path
) -> None:
    target = tmp_path / "victim"
    home = root.profiles["career"]
    home.configure({"approvals": {"timeout": 3}})
    try:
        turn = place.say(dangerous(target))
        prompt = turn.wait_call("send_exec_approval")
        turn.wait_message(lambda one: isinstance(one, msg.Closed) and one.call == prompt.id)
        turn.wait_gone()
    finally:
        home.configure({"approvals": {"timeout": None}})
    assert target.exists()
    if CLOSES_CARDS:
        [card] = [call for call in turn.calls if call.method == "edit_message"]
        assert card.args["message_id"] == message_of(prompt)
        assert "timed out" in str(card.args["content"]).lower()


def question(place: Place) -> tuple[Turn, msg.Call]:
    """Have the agent ask something with two choices."""
    one = {"question": "Which colour?", "choices": ["red", "blue"]}
    asked = json.dumps({**one, "questions": [one]})  # the one question of before 0.22, and a list
    turn = place.say(f"[[tool clarify {asked}]]")
    return turn, turn.wait_call("send_clarify", "Which colour?")


def test_a_question_is_answered_by_a_click(place: Place) -> None:
    turn, prompt = question(place)
    turn.click(prompt, "blue")
    turn.wait_gone()
    assert "blue" in turn.said


def test_a_question_is_answered_in_own_words(place: Place) -> None:
    turn, prompt = question(place)
    turn.click(prompt, typed=True)
    turn.say("rather green")
    turn.wait_gone()
    assert "rather green" in turn.said


def test_a_late_click_does_nothing(place: Place) -> None:
    turn, prompt = question(place)
    turn.click(prompt, "red")
    late = turn.click(prompt, "blue")
    assert (late.value, late.error) == (None, None)
    turn.wait_gone()


def test_a_stop_ends_the_wait_for_an_answer(place: Place) -> None:
    turn, _prompt = question(place)
    turn.say("/stop")
    turn.wait_gone()
    assert "topped" in turn.said


def test_a_stop_ends_the_wait_for_an_approval(place: Place, tmp_path: Path) -> None:
    target = tmp_path / "victim"
    turn = place.say(dangerous(target))
    turn.wait_call("send_exec_approval")
    turn.say("/stop")
    turn.wait_gone()
    assert target.exists()
