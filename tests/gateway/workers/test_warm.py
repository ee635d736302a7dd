"""Prepared workers: used once, never stale, and nothing is lost when one is."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from hermes_router.workers.worker_log import TurnRecord, read_turns
from tests.gateway.conftest import CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply

NOTING_HOOK = """
import pathlib

def handle(event_type, context):
    with pathlib.Path(__file__).with_name("notes").open("a") as notes:
        notes.write(event_type + chr(10))
"""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.configure({"hermes_router": {"profiles": {"systems": {"warm": {"enabled": False}}}}})
    hook = stage.root.profiles["career"].path / "hooks" / "noting"
    hook.mkdir(parents=True)
    (hook / "HOOK.yaml").write_text("name: noting\nevents: [agent:end]\n")
    (hook / "handler.py").write_text(NOTING_HOOK)
    return stage


def turns(stage: Stage, profile: str) -> list[TurnRecord]:
    """Return the turns of a profile, without the jobs that the router gave it."""
    stage.wait_settled(profile)
    path = stage.root.profiles[profile].path / "logs" / "hermes-router-worker.log"
    return [turn for turn in read_turns(path) if (turn.session or "").startswith("agent:")]


def was_prepared(stage: Stage, profile: str) -> bool:
    return turns(stage, profile)[-1].start == "prepared"


def processes(stage: Stage, profile: str) -> dict[int, int]:
    """Return the ids of a profile's prepared processes, each with its parent's."""
    return {
        process.pid: process.ppid
        for process in stage.gateway.tree()
        if f"hermes_router_worker -p {profile} " in process.cmdline + " "
    }


def wait_prepared(stage: Stage, profile: str = "career", timeout: float = 120.0) -> dict[int, int]:
    """Wait until a template with a ready worker, and nothing else, is there."""
    deadline = time.monotonic() + timeout
    while True:
        found = processes(stage, profile)
        roots = [pid for pid, parent in found.items() if parent not in found]
        if len(found) == 3 and len(roots) == 1:  # template, its supervisor, its worker
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"not prepared: {stage.gateway.tree()}")
        time.sleep(0.05)


def template_of(found: dict[int, int]) -> int:
    return next(pid for pid, parent in found.items() if parent not in found)


def test_a_message_is_answered_by_a_prepared_worker(stage: Stage) -> None:
    wait_prepared(stage)
    assert "Profile: career" in stage.ask("/profile", CAREER).text
    assert was_prepared(stage, "career")


def test_a_prepared_worker_asks_its_endpoint_for_nothing_but_the_answer(stage: Stage) -> None:
    wait_prepared(stage)
    asked = len(stage.model.probes)
    stage.ask("who are you?", CAREER, contains="who are you")
    assert was_prepared(stage, "career")
    assert stage.model.probes[asked:] == []


def test_each_turn_has_a_process_of_its_own(stage: Stage) -> None:
    for number in range(3):
        wait_prepared(stage)
        stage.ask(f"turn {number}", CAREER, contains=f"turn {number}")
    pids = [turn.pid for turn in turns(stage, "career")]
    assert len(set(pids)) == len(pids)
    assert not any(psutil.pid_exists(pid) for pid in pids if pid)


def test_nothing_of_a_turn_is_in_the_next_ones_process(stage: Stage) -> None:
    leave = '[[tool terminal {"command": "export LEFT_BY_A_TOOL=1; cd /; touch $TMPDIR/left"}]]'
    look = '[[tool terminal {"command": "echo mark=$LEFT_BY_A_TOOL; pwd; ls -A $TMPDIR"}]]'
    wait_prepared(stage)
    stage.ask(leave, CAREER)
    wait_prepared(stage)
    answer = stage.ask(look, CAREER).text
    assert "mark=\\n" in answer
    assert str(stage.root.profiles["career"].path / "workspace") in answer
    assert "left" not in answer


def test_warm_can_be_switched_off(stage: Stage) -> None:
    stage.ask("cold", SYSTEMS, contains="cold")
    assert not was_prepared(stage, "systems")
    assert processes(stage, "systems") == {}


def test_a_prepared_worker_is_looked_at_closely_from_its_message_on(stage: Stage) -> None:
    wait_prepared(stage)
    hold = threading.Event()
    stage.model.script(Reply("done", hold=hold), contains="take your time", times=1)
    seq = stage.telegram.seq
    stage.telegram.say("take your time", chat_id=FORUM, thread_id=CAREER)
    stage.model.wait_chat("take your time")
    try:
        supervisor = psutil.Process(psutil.Process(stage.worker_in_turn("career")).ppid())
        before = supervisor.num_ctx_switches().voluntary
        time.sleep(3.0)
        assert supervisor.num_ctx_switches().voluntary - before >= 6
    finally:
        hold.set()
    stage.telegram.wait_reply(FORUM, CAREER, contains="done", after=seq, timeout=150)
    assert was_prepared(stage, "career")


def test_a_ready_worker_that_died_costs_no_message(stage: Stage) -> None:
    found = wait_prepared(stage)
    template = template_of(found)
    supervisor = next(pid for pid, parent in found.items() if parent == template)
    os.kill(next(pid for pid, parent in found.items() if parent == supervisor), signal.SIGKILL)
    assert stage.ask("all well?", CAREER, contains="all well").text.startswith("echo:")


def test_a_template_that_died_costs_no_message(stage: Stage) -> None:
    os.kill(template_of(wait_prepared(stage)), signal.SIGKILL)
    assert stage.ask("still well?", CAREER, contains="still well").text.startswith("echo:")
    wait_prepared(stage)


@pytest.mark.parametrize("name", [".env", "config.yaml", "SOUL.md", "skills"])
def test_a_profile_that_changed_is_not_served_from_what_was_prepared(
    stage: Stage, name: str
) -> None:
    before = wait_prepared(stage)
    home = stage.root.profiles["career"].path
    if name == ".env":
        with (home / ".env").open("a") as env:
            env.write("\nNEW_NAME=new-value\n")
    elif name == "config.yaml":
        stage.root.profiles["career"].configure({"model": {"default": "another-model"}})
    elif name == "SOUL.md":
        (home / "SOUL.md").write_text("You are somebody else now.\n")
    else:
        skill = home / "skills" / "new-skill"
        skill.mkdir(parents=True)
        (skill / "SKILL.md").write_text("---\nname: new-skill\ndescription: new\n---\nDo it.\n")
    seen = stage.model.seq
    answer = stage.ask('[[tool terminal {"command": "echo env=$NEW_NAME"}]]', CAREER)
    request = stage.model.requests("chat", after=seen)[0]
    if name == ".env":
        assert "env=new-value" in answer.text
    elif name == "config.yaml":
        assert request.model == "another-model"
    assert template_of(wait_prepared(stage)) != template_of(before)


def test_what_a_hook_writes_down_beside_itself_leaves_prepared_what_is(stage: Stage) -> None:
    notes = stage.root.profiles["career"].path / "hooks" / "noting" / "notes"
    before = wait_prepared(stage)
    notes.unlink(missing_ok=True)
    for text in ("noted one", "noted two"):
        stage.ask(text, CAREER, contains=text)
        assert was_prepared(stage, "career")
        assert template_of(wait_prepared(stage)) == template_of(before)
    assert notes.read_text().split() == ["agent:end"] * 2


def test_the_folder_of_a_prepared_worker_is_gone_after_its_turn(stage: Stage) -> None:
    wait_prepared(stage)
    answer = stage.ask('[[tool terminal {"command": "echo tmp=$TMPDIR"}]]', CAREER).text
    folder = Path(answer.partition("tmp=")[2].split("\\n")[0])
    assert folder.name.startswith("hermes-router-")
    stage.wait_settled("career")
    assert not folder.exists()


def test_an_edited_budget_is_in_force_for_the_next_message(stage: Stage) -> None:
    wait_prepared(stage)
    stage.root.configure({"hermes_router": {"warm_budget": {"profiles": 0}}})
    stage.ask("without", CAREER, contains="without")
    assert not was_prepared(stage, "career")
    deadline = time.monotonic() + 120
    while found := processes(stage, "career"):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    stage.root.configure({"hermes_router": {"warm_budget": {"profiles": 2}}})
    stage.ask("with", SYSTEMS, contains="with")  # any message: career is prepared before its own
    wait_prepared(stage)
    stage.ask("again", CAREER, contains="again")
    assert was_prepared(stage, "career")
