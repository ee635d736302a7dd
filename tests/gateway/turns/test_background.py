"""A process that outlives its turn: reported, reachable, nobody else's, and never an orphan."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from toolsets import _HERMES_CORE_TOOLS

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage, build_stage, start_cold
from tests.kit import FORUM, FakeModel, FakeTelegram, Gateway
from tests.kit.model.directives import tool
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.timeout(400)  # a busy machine takes a minute for the first turn alone

SECOND = 7
"""Another topic of career: a session of its own."""
PROCESS_TOOL = "process_manage" if "process_manage" in _HERMES_CORE_TOOLS else "process"
SETTINGS = {"timeouts": {"stop": 3}, "jobs": {"upkeep": False}}


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = start_cold(build_stage(tmp_path_factory.mktemp("stage"), telegram, model), "systems")
    telegram.add_topic(SECOND, "second")
    stage.root.configure(
        {
            "hermes_router": {"defaults": SETTINGS},
            "gateway": {"profile_routes": {"telegram": {str(FORUM): {str(SECOND): "career"}}}},
        }
    )
    return stage


@pytest.fixture(scope="module")
def stage(prepared: Stage) -> Any:
    gateway = Gateway(prepared.root)
    gateway.start()
    prepared.gateway = gateway
    try:
        yield prepared
    finally:
        gateway.stop()


def begin(stage: Stage, command: str, topic: int = CAREER, **more: Any) -> str:
    """Start a background process and return Hermes's name for it."""
    asked = tool("terminal", command=command, background=True, **more)
    said = stage.ask(asked, topic, contains="tool said").text
    found = re.search(r"proc_[0-9a-f]+", said)
    assert found, said
    return found.group()


def use(stage: Stage, topic: int, action: str, **arguments: Any) -> str:
    asked = tool(PROCESS_TOOL, action=action, **arguments)
    return stage.ask(asked, topic, contains="tool said").text


def begun(stage: Stage, marker: str) -> psutil.Process:
    """Return the process that runs, or will, with this marker in its command line."""
    return psutil.Process(stage.gateway.wait_process(marker, timeout=ANSWER_SECONDS).pid)


def wait_file(path: Path) -> str:
    wait_until(path.exists, 120, f"{path} is missing")
    return path.read_text()


def test_its_end_and_what_the_model_makes_of_it_reach_its_topic(stage: Stage) -> None:
    seq = stage.telegram.seq
    workspace = stage.root.profiles["career"].path / "workspace"
    begin(
        stage,
        'echo "$MARK" >mark; until [ -e go ]; do sleep 0.1; done; echo the-end-is-here',
        notify_on_complete=True,
    )
    assert wait_file(workspace / "mark") == "career\n"
    worker = stage.worker_in_turn("career")
    (workspace / "go").touch()
    told = stage.telegram.wait_reply(
        FORUM, CAREER, contains="the-end-is-here", after=seq, timeout=ANSWER_SECONDS
    )
    assert told.text.startswith("echo: [IMPORTANT: Background process")
    stage.wait_settled("career")
    assert not psutil.pid_exists(worker)
    assert "the-end-is-here" not in stage.telegram.listing(after=seq).replace(told.text, "")


def test_a_match_of_a_watch_pattern_reaches_its_topic_while_nobody_writes(stage: Stage) -> None:
    seq = stage.telegram.seq
    workspace = stage.root.profiles["career"].path / "workspace"
    begin(
        stage,
        "until [ -e match ]; do sleep 0.1; done; echo now-READY; "
        "until [ -e on ]; do sleep 0.1; done",
        watch_patterns=["READY"],
    )
    (workspace / "match").touch()
    told = stage.telegram.wait_reply(
        FORUM, CAREER, contains="now-READY", after=seq, timeout=ANSWER_SECONDS
    )
    assert 'matched watch pattern "READY"' in told.text
    (workspace / "on").touch()
    stage.wait_settled("career")  # nothing is left to watch


def test_a_later_turn_lists_reads_writes_to_and_kills_it_and_nobody_else_can(stage: Stage) -> None:
    name = begin(stage, "read line; echo got-$line; exec sleep 31557601", pty=True)
    worker = stage.worker_in_turn("career")
    assert name in use(stage, CAREER, "list")
    assert '"processes": []' in use(stage, SECOND, "list")
    assert '"processes": []' in use(stage, SYSTEMS, "list")
    assert "not_found" in use(stage, SECOND, "poll", session_id=name)
    assert "not_found" in use(stage, SYSTEMS, "kill", session_id=name)
    use(stage, CAREER, "submit", session_id=name, data="hello")
    process = begun(stage, "sleep 31557601")
    assert "got-hello" in use(stage, CAREER, "log", session_id=name)
    assert "running" in use(stage, CAREER, "poll", session_id=name)
    assert stage.worker_in_turn("career") != worker or psutil.pid_exists(worker)
    assert psutil.Process(worker) in process.parents()
    assert "killed" in use(stage, CAREER, "kill", session_id=name)
    psutil.wait_procs([process], timeout=60)
    assert not process.is_running()
    stage.wait_settled("career")
    assert not psutil.pid_exists(worker)


@pytest.mark.parametrize("answered", [False, True], ids=["as_its_answer_arrives", "later"])
def test_who_loses_it_with_its_worker_is_told(stage: Stage, *, answered: bool) -> None:
    name, seq = begin(stage, "exec sleep 31557602", notify_on_complete=True), stage.telegram.seq
    worker = stage.worker_in_turn("career")
    if answered:
        assert stage.wait_answered(60)
    os.kill(worker, signal.SIGKILL)
    told = stage.telegram.wait_reply(
        FORUM, CAREER, contains="Ended", after=seq, timeout=ANSWER_SECONDS
    )
    assert "stopped unexpectedly: background process exec sleep 31557602" in told.text
    assert name in told.text
    stage.wait_settled("career")
    assert not [p for p in stage.gateway.tree() if "31557602" in p.cmdline]
    stage.gateway.wait_log("ended, because the assistant of this conversation stopped")
    listed = use(stage, CAREER, "list")  # Hermes 0.22 also lists what ended in earlier turns
    assert '"processes": [' in listed
    assert name not in listed
    assert '"status": "running"' not in listed


def test_who_loses_it_with_a_gateway_that_stops_is_told_before(stage: Stage) -> None:
    begin(stage, "exec sleep 31557603")
    process, seq = begun(stage, "sleep 31557603"), stage.telegram.seq
    assert stage.wait_answered(60)
    stage.gateway.stop()
    told = stage.telegram.wait_reply(FORUM, CAREER, contains="Ended", after=seq, timeout=150)
    assert "the gateway is shutting down: background process exec sleep 31557603" in told.text
    assert not process.is_running()
    stage.gateway.wait_no_leftovers()
    stage.gateway.start()
    stage.ask("are you back?", CAREER, contains="are you back?")
    assert stage.telegram.listing(after=seq).count("Ended, because") == 1


def test_who_loses_it_with_a_gateway_that_is_killed_is_told_by_the_next(stage: Stage) -> None:
    begin(stage, "exec sleep 31557604")
    process, seq = begun(stage, "sleep 31557604"), stage.telegram.seq
    assert stage.wait_answered(60)
    stage.gateway.kill()
    psutil.wait_procs([process], timeout=60)
    assert not process.is_running()
    stage.gateway.wait_no_leftovers()
    stage.gateway.start()
    told = stage.telegram.wait_reply(
        FORUM, CAREER, contains="Ended", after=seq, timeout=ANSWER_SECONDS
    )
    assert "stopped or was interrupted: background process exec sleep 31557604" in told.text
    named = re.search(r" \[([0-9a-f]{8})\]$", told.text)
    assert named is not None, told.text
    assert f"begin turn={named[1]} " in stage.root.profiles["career"].log(
        "hermes-router-worker.log"
    )
    stage.gateway.wait_log(f"turn {named[1]}: background work that ended with the gateway")
    notes = stage.root.path / "hermes-router" / "background"
    wait_until(lambda: not list(notes.glob("*")), 60, "the note of what ended is still there")
