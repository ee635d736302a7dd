"""A routed session's prompts that come back: they run in its profile's workers, never elsewhere."""

from __future__ import annotations

import importlib.util
import json
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.gateway.conftest import CAREER, Stage, build_stage, start_cold
from tests.kit import FORUM, FakeModel, FakeTelegram, Message
from tests.kit.waiting import wait_until

pytest.importorskip("hermes_cli.loops", reason="Hermes has recurring prompts from 0.20 on")

PINS = importlib.util.find_spec("gateway.session_prompt_pin") is not None
"""Does this Hermes keep a conversation's prompts for its internal turns?"""

pytestmark = pytest.mark.timeout(300)  # the shortest interval of a loop is five seconds

WHO = """[[tool terminal {"command": "echo pid=$PPID home=$HERMES_HOME mark=$MARK"}]]"""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = start_cold(build_stage(tmp_path_factory.mktemp("stage"), telegram, model), "systems")
    channel = {"extra": {"channel_prompts": {str(CAREER): "prompt-of-the-channel"}}}
    stage.root.profiles["career"].configure(
        {"loops": {"min_interval_seconds": 5}, "platforms": {"telegram": channel}}
    )
    return stage


def told_after(stage: Stage, seq: int) -> Message:
    """Wait for what the profile's agent says of itself in the career topic."""
    return stage.telegram.wait_reply(
        FORUM, CAREER, contains="mark=career", after=seq, timeout=150.0
    )


def state_of(stage: Stage, kind: str) -> dict[str, object]:
    """Return the newest recurring prompt of the profile, as Hermes keeps it."""
    database = stage.root.profiles["career"].path / "state.db"
    with closing(sqlite3.connect(database, timeout=10)) as connection:
        rows = connection.execute(
            "SELECT value FROM state_meta WHERE key LIKE ? ORDER BY rowid DESC", (f"{kind}:%",)
        ).fetchall()
    return dict(json.loads(rows[0][0]))


def test_a_loop_runs_in_workers_of_its_profile_until_it_is_through(stage: Stage) -> None:
    stage.ask("a person speaks first", CAREER, contains="a person speaks first")
    stage.wait_settled("career")
    seq, asked = stage.telegram.seq, stage.model.seq
    stage.telegram.say(f"/loop 5s --times 2 {WHO}", chat_id=FORUM, thread_id=CAREER)
    home = stage.root.profiles["career"].path
    for _tick in range(2):
        told = stage.telegram.wait_reply(
            FORUM, CAREER, contains="mark=career", after=seq, timeout=150
        )
        assert f"home={home} " in told.text
        assert int(re.findall(r"pid=(\d+)", told.text)[0]) != stage.gateway.pid
        seq = told.seq
    wait_until(lambda: state_of(stage, "loop")["status"] == "done", 120)
    stage.wait_settled("career")
    if PINS:  # the prompt of the place holds for turns that nobody's message began
        systems = [request.system for request in stage.model.requests("chat", after=asked)]
        assert len(systems) >= 2
        assert all("prompt-of-the-channel" in system for system in systems)


def test_a_heartbeat_is_due_in_the_gateway_that_comes_next(stage: Stage) -> None:
    begun = time.time()
    stage.ask(f"/heartbeat every 60s {WHO}", CAREER)
    stage.wait_settled("career")
    file = stage.root.path / "hermes-router" / "wakeups.json"
    (note,) = json.loads(file.read_text())["sessions"]["career"].values()
    assert begun + 60 <= note["at"] <= time.time() + 60
    stage.gateway.stop()
    make_due(stage, file)
    seq = stage.telegram.seq
    stage.gateway.start()
    text = stage.telegram.wait_reply(
        FORUM, CAREER, contains="mark=career", after=seq, timeout=150
    ).text
    assert int(re.findall(r"pid=(\d+)", text)[0]) != stage.gateway.pid
    stage.wait_settled("career")
    stage.ask("/heartbeat off", CAREER)
    stage.wait_settled("career")
    assert json.loads(file.read_text())["sessions"]["career"] == {}


def make_due(stage: Stage, file: Path) -> None:
    """Let time pass for the heartbeat and for the gateway's note of it."""
    database = stage.root.profiles["career"].path / "state.db"
    with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
        rows = connection.execute(
            "SELECT key, value FROM state_meta WHERE key LIKE 'heartbeat:%'"
        ).fetchall()
        for key, value in rows:
            older = json.loads(value) | {"created_at": time.time() - 90}
            connection.execute(
                "UPDATE state_meta SET value = ? WHERE key = ?", (json.dumps(older), key)
            )
    content = json.loads(file.read_text())
    for note in content["sessions"]["career"].values():
        note["at"] = time.time()
    file.write_text(json.dumps(content))
