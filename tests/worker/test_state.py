"""What a command sets in one worker holds in the next one of the session, until /new."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from gateway.session import SessionEntry

from hermes_router.protocol import messages as msg
from hermes_router_worker.hermes.events import event_to_plain
from tests.kit import FakeModel, ModelRequest
from tests.kit.model.fast import fast_tier
from tests.kit.waiting import wait_until
from tests.kit.workers.real_worker import Place, WorkerKit


def asked(model: FakeModel, place: Place, text: str = "hello") -> ModelRequest:
    """Say something and return what the profile's model was sent."""
    seq = model.seq
    assert text in place.ask(text)
    [request] = model.requests("chat", after=seq)
    return request


def tier(request: ModelRequest) -> object:
    """Return which service tier the model was asked for, if any."""
    return json.loads(request.body).get("service_tier")


def test_a_model_holds_until_new(place: Place, model: FakeModel) -> None:
    place.ask("/model other-model")
    assert [asked(model, place, text).model for text in ("one", "two")] == ["other-model"] * 2
    place.ask("/new")
    assert asked(model, place, "three").model == "gpt-of-career"


def test_a_model_for_one_message_is_gone_after_it(place: Place, model: FakeModel) -> None:
    place.ask("/model other-model --once")
    models = [asked(model, place, text).model for text in ("one", "two")]
    assert models == ["other-model", "gpt-of-career"]


def test_a_model_that_is_picked_in_mid_turn_holds_although_the_worker_dies_in_that_turn(
    place: Place, model: FakeModel
) -> None:
    place.ask("/model other-model")
    turn, seq = place.say("/model"), model.seq
    picker = turn.wait_call("send_model_picker")
    turn.say("[[sleep 9]] a turn")
    model.wait_chat("a turn", after=seq)
    provider = next(one for one in picker.args["providers"] if "gpt-of-career" in one["models"])
    turn.click(picker, "gpt-of-career", provider["slug"])
    turn.kill()
    assert asked(model, place).model == "gpt-of-career"


def test_fast_holds_until_new(place: Place, model: FakeModel) -> None:
    place.ask("/fast fast")
    assert tier(asked(model, place, "one")) == fast_tier(model, "gpt-of-career")
    place.ask("/new")
    assert tier(asked(model, place, "two")) is None


@pytest.mark.parametrize("word", ["dangerous", "harmless"])
def test_yolo_holds_until_new(place: Place, word: str) -> None:
    place.ask("/yolo")
    command = json.dumps({"command": f"rm -r /nonexistent/{word}; echo done-{word}"})
    turn = place.say(f"[[tool terminal {command}]]")
    turn.wait_gone()
    assert f"done-{word}" in turn.said
    assert [one for one in turn.calls if one.method == "send_exec_approval"] == []


def test_yolo_that_is_ended_in_mid_turn_stays_ended_although_the_worker_dies_in_that_turn(
    place: Place, model: FakeModel
) -> None:
    place.ask("/yolo")
    turn, seq = place.say("[[sleep 60]] a turn"), model.seq
    model.wait_chat("a turn", after=seq)
    turn.say("/yolo")
    turn.wait_call("send", "disabled")
    turn.kill()
    command = json.dumps({"command": "rm -r /nonexistent/asked; echo done-asked"})
    later = place.say(f"[[tool terminal {command}]]")
    asked = later.wait_call("send_exec_approval")
    later.click(asked, "deny")
    later.wait_gone()


def test_nothing_of_one_session_reaches_another(kit: WorkerKit, model: FakeModel) -> None:
    one, other = kit.place(901), kit.place(902)
    one.ask("/model other-model")
    assert asked(model, other).model == "gpt-of-career"
    assert asked(model, one).model == "other-model"


def test_the_file_of_a_session_is_the_owners_alone(place: Place) -> None:
    place.ask("/model other-model")
    files = list((place.kit.home / "hermes-router" / "sessions").glob("*.json"))
    assert files
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


def test_the_mark_of_a_running_turn_is_gone_when_it_has_ended(place: Place) -> None:
    """From 0.20 on a gateway that starts runs marked turns again; the worker owns its own mark."""
    marks: list[bool] = []
    turn = place.say("[[sleep 3]] a turn")
    turn.wait_message(lambda one: isinstance(one, msg.Accepted))
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline and not any(marks):
        marks.append(marked(place))
        time.sleep(0.1)
    turn.wait_gone()
    assert any(marks) is hasattr(SessionEntry, "active_turn_token")
    assert not marked(place)


def marked(place: Place) -> bool:
    """Say whether the place's session stands for a turn that runs.

    Turns that other tests stopped or killed have left their marks in the same home.
    """
    with closing(sqlite3.connect(place.kit.home / "state.db")) as database:
        rows = database.execute("SELECT session_key, entry_json FROM gateway_routing").fetchall()
    entries = [json.loads(row) for key, row in rows if place.thread in key.split(":")]
    return any(entry.get("active_turn_token") for entry in entries)


LEFT = """
import sys, time
from tools import async_delegation
session, name = sys.argv[1:]
record = {"delegation_id": name, "session_key": session, "dispatched_at": time.time()}
async_delegation._persist_dispatch(record)
done = {"type": "async_delegation", "status": "completed", "completed_at": time.time()}
result = {"status": "completed", "summary": f"found by {name}"}
async_delegation._persist_completion(done | record | result, result)
"""


def leave_result(kit: WorkerKit, place: Place, name: str) -> None:
    """Leave the result of a delegated task as a worker does that ends before people get it."""
    environ = {**os.environ, "HERMES_HOME": str(kit.home), "HOME": str(kit.home)}
    key = kit.start_message(place.source()).session_key
    subprocess.run([sys.executable, "-c", LEFT, key, name], env=environ, check=True, timeout=120)


def test_what_a_delegated_task_left_is_reported_after_the_reply_in_its_session_only(
    kit: WorkerKit, model: FakeModel
) -> None:
    place, other = kit.place(903), kit.place(904)
    place.ask("hello")
    leave_result(kit, place, "searcher")
    seq = model.seq
    assert "hello again" in other.ask("hello again")
    assert "and again" in place.ask("and again")
    asked = [request.last_user for request in model.requests("chat", after=seq)]
    reports = [number for number, text in enumerate(asked) if "found by searcher" in text]
    assert len(reports) == 1
    first = next(number for number, text in enumerate(asked) if "and again" in text)
    assert reports[0] > first


def leave_queued(kit: WorkerKit, place: Place, text: str) -> None:
    """Leave a message as a worker does that ends before the message is begun."""
    key = kit.start_message(place.source()).session_key
    for file in (kit.home / "hermes-router" / "sessions").glob("*.json"):
        content = json.loads(file.read_bytes())
        if content["session"] == key:
            content["state"]["_queued_events"] = [event_to_plain(place.event(text, {}))]
            file.write_text(json.dumps(content))


def test_a_message_that_an_earlier_worker_left_is_begun_once_although_its_worker_dies(
    kit: WorkerKit, place: Place, model: FakeModel
) -> None:
    place.ask("hello")
    leave_queued(kit, place, "[[sleep 9]] pay the invoice")
    seq, turn = model.seq, place.say("hello again")
    model.wait_chat("pay the invoice", after=seq)
    turn.kill()
    seq = model.seq
    assert "and again" in place.ask("and again")
    assert len(model.requests("chat", after=seq)) == 1  # it stands in the session's history


def test_a_command_that_an_earlier_worker_left_is_begun_once_although_its_worker_dies(
    kit: WorkerKit, place: Place
) -> None:
    begun = kit.home / "begun-by-command"
    place.ask("hello")
    leave_queued(kit, place, "/linger")
    turn = place.say("/status")  # behind a turn, Hermes would not begin it
    wait_until(begun.exists)
    turn.kill()
    place.ask("/status")
    assert begun.read_text() == "begun\n"
