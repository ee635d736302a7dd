"""A profile with ``launcher: bubblewrap``, on the real gateway, with real tools.

As root (as many CI machines are) nothing would be proved by a file's mode: the gateway is then run
by an ordinary user, who owns everything in the test's folder.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hermes_router.workers import launchers
from tests.gateway.conftest import CAREER, SYSTEMS, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram
from tests.kit.model.directives import tool
from tests.kit.probes.sleepers import sleepers, sleeping_tool
from tests.kit.roots import ordinary_user
from tests.kit.waiting import wait_until

OBSTACLE = launchers.check("bubblewrap") or ordinary_user.obstacle()
pytestmark = pytest.mark.skipif(OBSTACLE is not None, reason=f"NOT SHOWN: {OBSTACLE}")


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory,
    telegram: FakeTelegram,
    model: FakeModel,
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    bound = stage.root.base / "bound"
    bound.mkdir()
    (bound / "shared.txt").write_text("shared on purpose")
    settings = {"launcher": "bubblewrap", "sandbox": {"binds": [{"path": str(bound)}]}}
    stage.root.configure({"hermes_router": {"defaults": settings}})
    stage.root.profiles["career"].configure({"approvals": {"mode": "off"}})
    (stage.root.profiles["career"].path / "gateway.parked").touch()
    stage.root.env({"ROOT_SECRET": "of-the-root"})
    stage.root.profiles["systems"].env({"SYSTEMS_SECRET": "of-systems"})
    (stage.root.base / "home" / "real-home.txt").write_text("PRIVATE")
    return stage


@pytest.fixture(scope="module")
def ordinary() -> bool:
    return True


@pytest.fixture(autouse=True)
def clean(stage: Stage) -> Iterator[None]:
    yield
    stage.model.clear_scripts()


def test_a_turn_in_a_sandbox_answers(stage: Stage) -> None:
    assert stage.ask("hello in there", CAREER, contains="hello").text == "echo: hello in there"
    assert "launcher=bubblewrap" in stage.worker_log("career")


def test_what_it_is_shown_is_told_when_the_gateway_starts(stage: Stage) -> None:
    what = f"shared with the profile career: sandbox.binds {stage.root.base / 'bound'} (ro)"
    stage.gateway.wait_log(what, timeout=150, log="agent.log")


def test_the_agent_sends_from_inside(stage: Stage) -> None:
    code = json.dumps({"code": "import os; os.system('hermes send --to telegram frominside')"})
    said = stage.ask(f"[[tool execute_code {code}]]", CAREER, contains="tool said").text
    said += stage.run("bash -lc 'hermes send fromlogin'")
    sent = [
        call.place
        for call in stage.telegram.calls("sendMessage")
        if (call.text or "") in {"frominside", "fromlogin"}
    ]
    assert sent == [(FORUM, CAREER)] * 2, said


def test_templates_prepare_workers_inside(stage: Stage) -> None:
    stage.ask("the first", SYSTEMS, contains="the first")
    wait_until(lambda: "start=prepared" in ask_and_log(stage, SYSTEMS), 120, "nothing was prepared")


def ask_and_log(stage: Stage, thread: int) -> str:
    stage.ask("and another", thread, contains="and another")
    return stage.worker_log("systems")


def test_it_sees_its_own_files_and_nothing_of_the_others(stage: Stage) -> None:
    root, home = stage.root.path, stage.root.base / "home"
    forbidden = {
        "SYSTEMS_SECRET=": stage.root.profiles["systems"].path / ".env",
        "You are the test profile systems": stage.root.profiles["systems"].path / "SOUL.md",
        "ROOT_SECRET=": root / ".env",
        "kit-model": root / "config.yaml",
        "PRIVATE": home / "real-home.txt",
        "root:": Path("/etc") / "shadow",
    }
    for mark, path in forbidden.items():
        assert mark in path.read_text()  # what is to be hidden is there
    said = stage.run("; ".join(f"cat {path}" for path in forbidden.values()))
    assert not [mark for mark in forbidden if mark in said], said
    listing = stage.run(f"ls -A {root} {root}/profiles {home}")
    assert "systems" not in listing
    assert "real-home" not in listing
    assert "MARK=career" in stage.run(f"grep . {stage.root.profiles['career'].path}/.env")


def test_file_tools_and_code_see_no_more_than_the_terminal(stage: Stage) -> None:
    other = stage.root.profiles["systems"].path / "SOUL.md"
    read = tool("read_file", path=str(other))
    assert "You are the test profile" not in stage.ask(read, CAREER, contains="tool said").text
    code = f"print(open({str(other)!r}).read())"
    execute = tool("execute_code", code=code)
    said = stage.ask(execute, CAREER, contains="tool said").text
    assert "No such file" in said
    assert "You are the test profile" not in said


def test_a_document_that_is_sent_to_it_can_be_read(stage: Stage) -> None:
    seen = stage.model.seq
    stage.telegram.say_document(b"of the user", "plan.txt", "read this", thread_id=CAREER)
    request = stage.model.wait_chat("read this", timeout=150, after=seen)
    home = stage.root.profiles["career"].path
    [kept] = [path for path in home.rglob("*plan.txt") if path.read_bytes() == b"of the user"]
    assert str(kept) in request.last_user or "of the user" in request.last_user


def test_it_writes_where_it_may_and_nowhere_else(stage: Stage) -> None:
    home = stage.root.profiles["career"].path
    bound, root = stage.root.base / "bound", stage.root.path
    said = stage.run(
        f"pwd; cat {bound}/shared.txt; echo mine > {home}/note; echo work > note; "
        f"echo no > {bound}/no; echo no > {root}/no; echo no > /no; echo no > /usr/no; "
        f"cd {home}; rm -f gateway.parked; mv gateway.parked gone; echo no > gateway.parked; "
        "mktemp; echo tmp=$TMPDIR",
    )
    assert (home / "gateway.parked").read_bytes() == b""
    assert "shared on purpose" in said
    assert f"{home}/workspace" in said
    assert (home / "note").read_text() == "mine\n"
    assert (home / "workspace" / "note").read_text() == "work\n"
    assert "tmp=/tmp/hermes-router-" in said
    assert not any((folder / "no").exists() for folder in (bound, root, Path("/"), Path("/usr")))


def test_it_sees_no_process_of_the_machine(stage: Stage) -> None:
    said = stage.run(
        f"tr '\\0' '\\n' < /proc/{stage.gateway.pid}/environ; kill -0 {stage.gateway.pid}; "
        "cat /proc/*/cmdline | tr '\\0' ' '; echo; ls /proc | grep -c '^[0-9]'; "
        "cat /proc/1/environ; kill -9 1; echo still-here",
    )
    assert "hermes_router_worker.process.sandbox_init" in said
    assert "gateway run" not in said
    assert "HERMES_ROUTER_KIT_ROOT" not in said
    assert "-p systems" not in said
    assert "still-here" in said
    assert stage.gateway.running


def test_two_sandboxes_share_neither_tmp_nor_processes(stage: Stage) -> None:
    stage.run("echo of-career > /tmp/mark-of-career; nohup sleep 31557601 >/dev/null 2>&1 & echo")
    said = stage.run("ls /tmp; cat /tmp/mark-of-career; pgrep -f 31557601; echo end", SYSTEMS)
    assert "of-career\n" not in said
    assert "31557601" not in said.partition("tool said")[2].replace("pgrep -f 31557601", "")


def test_no_program_gains_privileges(stage: Stage) -> None:
    said = stage.run("grep -E 'NoNewPrivs|CapEff|CapBnd' /proc/self/status; ulimit -c")
    assert "NoNewPrivs:\\t1" in said or "NoNewPrivs:\t1" in said
    assert "CapEff:\\t0000000000000000" in said or "CapEff:\t0000000000000000" in said


@pytest.mark.parametrize("victim", ["worker", "supervisor", "keeper", "bwrap"])
def test_whatever_is_killed_leaves_nothing_and_the_chat_is_told(stage: Stage, victim: str) -> None:
    said = f"sleep for {victim}"
    stage.model.script(sleeping_tool(stage.root.base / "bound"), contains=said, times=1)
    seq = stage.telegram.seq
    stage.telegram.say(said, chat_id=FORUM, thread_id=CAREER)
    wait_until(lambda: len(sleepers()) == 2, 120, "the tool did not start")
    above = sleepers()[0].parents()
    worker, supervisor, *_ = (p for p in above if "hermes_router_worker" in p.cmdline())
    found = {
        "worker": worker,
        "supervisor": supervisor,
        "keeper": next(
            p for p in above if "hermes_router_worker.process.sandbox_init" in p.cmdline()
        ),
        "bwrap": next(p for p in above if p.name() == "bwrap"),
    }
    os.kill(found[victim].pid, signal.SIGKILL)
    stage.telegram.wait_reply(
        FORUM, CAREER, contains="stopped unexpectedly", after=seq, timeout=150
    )
    wait_until(lambda: not sleepers(), 120, "the tree was not ended")
    answer = stage.ask("and now?", CAREER, contains="and now").text
    assert answer.startswith("echo: ")


def test_a_gateway_that_is_killed_takes_its_sandboxes_along(stage: Stage) -> None:
    script = sleeping_tool(stage.root.base / "bound")
    stage.model.script(script, contains="sleep on", times=1)
    stage.telegram.say("please sleep on", chat_id=FORUM, thread_id=CAREER)
    wait_until(lambda: len(sleepers()) == 2, 120, "the tool did not start")
    below = [process.pid for process in stage.gateway.tree()]
    stage.gateway.kill()
    wait_until(lambda: not sleepers(), 120, "the tree was not ended")
    wait_until(lambda: not any(map(psutil.pid_exists, below)), 120, "something is left")
    left = list((stage.root.base / "tmp").glob("hermes-router-*"))
    stage.gateway.start()
    stage.ask("and again?", CAREER, contains="and again")
    assert not [folder for folder in left if folder.exists()]


def test_its_work_done_nothing_is_left_of_a_sandbox(stage: Stage) -> None:
    stage.gateway.stop()
    assert stage.gateway.leftovers() == []
    assert not list((stage.root.base / "tmp").glob("hermes-router-*"))
