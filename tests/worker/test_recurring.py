"""A session's recurring prompts: when the gateway is told to wake it, and what happens then."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from hermes_router.protocol import messages as msg
from tests.kit import FakeModel
from tests.kit.workers.real_worker import Place, Turn, WorkerKit

pytest.importorskip("hermes_cli.loops", reason="Hermes has recurring prompts from 0.20 on")


def told(turn: Turn) -> float | None:
    """Return when the worker has last said that its session must be woken."""
    times = [one.at for one in turn.messages if isinstance(one, msg.NextWakeup)]
    assert times
    return times[-1]


def make_due(kit: WorkerKit, goal: str | None = None, **route: str) -> None:
    """Let the time of the newest loop come, give it a route, and its session a goal."""
    with closing(sqlite3.connect(kit.home / "state.db", timeout=10)) as database, database:
        key, value = database.execute(
            "SELECT key, value FROM state_meta WHERE key LIKE 'loop:%' ORDER BY rowid DESC"
        ).fetchone()
        loop = json.loads(value)
        loop |= {"next_due_at": time.time() - 1, "route": route or loop["route"]}
        rows = {key: json.dumps(loop)}
        if goal is not None:
            rows[key.replace("loop:", "goal:")] = json.dumps({"goal": "peace", "status": goal})
        database.executemany("REPLACE INTO state_meta (key, value) VALUES (?, ?)", rows.items())


def woken(place: Place) -> Turn:
    """Have a new worker look what is due; return the turn, when the worker is gone."""
    turn = Turn(place)
    turn.wake()
    turn.wait_gone()
    return turn


@pytest.fixture
def dead_turn(place: Place, model: FakeModel) -> Callable[[str], None]:
    """Return what makes a loop in the place, and kills the worker in the loop's first turn."""

    def make(options: str) -> None:
        place.ask(f"/loop 30s {options} [[sleep 60]] look")
        seq = model.seq
        turn = Turn(place)
        turn.wake()
        model.wait_chat("look", after=seq)
        turn.kill()

    return make


def test_a_loop_goes_on_after_its_worker_has_died_in_a_turn(
    place: Place, model: FakeModel, dead_turn: Callable[[str], None]
) -> None:
    dead_turn("")
    seq, now = model.seq, time.time()
    later = told(woken(place))
    assert later is not None
    assert now + 25 < later < time.time() + 31
    assert model.requests("chat", after=seq) == []  # it waits for its next time
    assert "wakeup running" not in place.ask("/loop status")


def test_a_turn_in_which_the_worker_died_counts(
    place: Place, dead_turn: Callable[[str], None]
) -> None:
    dead_turn("--times 1")
    turn = woken(place)
    assert told(turn) is None
    assert "1/1" in turn.said


def test_a_worker_that_dies_after_a_command_has_told_when_to_wake_the_session(
    place: Place, model: FakeModel
) -> None:
    seq, now = model.seq, time.time()
    turn = place.say("[[sleep 60]] a turn")
    asked = model.wait_chat("a turn", after=seq)
    turn.say("/heartbeat every 60s look")
    first = turn.wait_message(lambda one: isinstance(one, msg.NextWakeup))
    assert asked.end is None
    turn.kill()
    assert first.at is not None
    assert now + 59 < first.at < time.time() + 61


def test_a_loop_that_waits_for_a_goal_wakes_nobody_until_the_goal_is_reached(
    kit: WorkerKit, place: Place
) -> None:
    place.ask("/loop 30s look")
    make_due(kit, goal="active")
    assert told(woken(place)) is None
    make_due(kit, goal="done")
    assert "look" in woken(place).said


def test_a_loop_of_a_terminal_wakes_nobody(kit: WorkerKit, place: Place) -> None:
    place.ask("/loop 30s look")
    make_due(kit, platform="cli")
    assert told(woken(place)) is None


def test_a_prompt_that_hermes_does_not_begin_wakes_its_session_once_a_minute(
    kit: WorkerKit, place: Place
) -> None:
    place.ask("/loop 30s look")
    make_due(kit, platform="matrix", chat_id="!room")  # this worker has no adapter for it
    now = time.time()
    later = told(woken(place))
    assert later is not None
    assert now + 59 < later < time.time() + 61
