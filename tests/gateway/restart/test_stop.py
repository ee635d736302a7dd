"""`/stop` means that nothing of the turn runs any more, whatever it does."""

from __future__ import annotations

import os
import signal
import threading

import psutil
import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply

DEAF_HOOK = """
import subprocess, time

def deaf(tool_name=None, args=None, **more):
    if "deaf-to-interrupts" in str(args):
        child = subprocess.Popen(["sleep", "3600"], start_new_session=True)
        with open("deaf.pid.new", "w") as file:
            file.write(str(child.pid))
        import os
        os.rename("deaf.pid.new", "deaf.pid")
        time.sleep(3600)

def register(ctx):
    ctx.register_hook("pre_tool_call", deaf)
"""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.configure({"hermes_router": {"defaults": {"timeouts": {"stop": 2}}}})
    career = stage.root.profiles["career"]
    folder = career.path / "plugins" / "deaf"
    folder.mkdir(parents=True)
    (folder / "plugin.yaml").write_text("name: deaf\nversion: 1.0.0\ndescription: hangs\n")
    (folder / "__init__.py").write_text(DEAF_HOOK)
    career.configure({"plugins": {"enabled": ["deaf"]}})
    return stage


def stopped(stage: Stage, topic: int, contains: str) -> None:
    seq = stage.telegram.seq
    stage.telegram.say("/stop", thread_id=topic)
    stage.telegram.wait_reply(FORUM, topic, contains=contains, after=seq, timeout=ANSWER_SECONDS)


def test_a_model_request_ends_with_its_turn(stage: Stage) -> None:
    stage.model.script(Reply("late", hold=threading.Event()), contains="think", times=1)
    seen = stage.model.seq
    stage.telegram.say("think for ever", thread_id=SYSTEMS)
    stage.model.wait_chat("think for ever", after=seen, timeout=ANSWER_SECONDS)
    stopped(stage, SYSTEMS, "Stopped")
    request = stage.model.wait_chat("think for ever", after=seen, done=True)
    assert request.end == "disconnected"
    stage.wait_settled("systems")
    stage.ask("and now?", SYSTEMS, contains="and now?")


def test_a_tool_that_hears_no_interruption_is_ended_with_what_it_started(stage: Stage) -> None:
    # A job of the session keeps the worker: it would not leave by itself.
    job = '[[tool terminal {"command": "sleep 3599", "background": true}]]'
    stage.ask(job, CAREER, contains="tool said")
    note = stage.root.profiles["career"].path / "workspace" / "deaf.pid"
    stage.telegram.say('[[tool terminal {"command": "deaf-to-interrupts"}]]', thread_id=CAREER)
    stage.gateway.wait_process("sleep 3600", timeout=ANSWER_SECONDS)
    worker = psutil.Process(stage.worker_in_turn("career"))
    stopped(stage, CAREER, "Stopped")
    # What is said meanwhile waits until it is certain who answers it.
    seq = stage.telegram.seq
    stage.telegram.say("said meanwhile", thread_id=CAREER)
    stage.telegram.wait_reply(
        FORUM, CAREER, contains="said meanwhile", after=seq, timeout=ANSWER_SECONDS
    )
    psutil.wait_procs([worker], timeout=0)
    assert not worker.is_running()
    assert not psutil.pid_exists(int(note.read_text()))
    stage.wait_settled("career")
    assert "stopped unexpectedly" not in stage.telegram.listing(after=seq)


def test_a_worker_that_does_not_react_is_ended_and_the_chat_is_told(stage: Stage) -> None:
    stage.model.script(Reply("late", hold=threading.Event()), contains="freeze", times=1)
    seen = stage.model.seq
    stage.telegram.say("freeze now", thread_id=SYSTEMS)
    stage.model.wait_chat("freeze now", after=seen, timeout=ANSWER_SECONDS)
    worker = psutil.Process(stage.worker_in_turn("systems"))
    os.kill(worker.pid, signal.SIGSTOP)
    stopped(stage, SYSTEMS, "did not react, so it was ended")
    assert not worker.is_running()
    request = stage.model.wait_chat("freeze now", after=seen, done=True)
    assert request.end == "disconnected"
    stage.wait_settled("systems")
    stage.ask("and now?", SYSTEMS, contains="and now?")
