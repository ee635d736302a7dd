"""`hermes-router status` asks a real, running gateway; no client can hurt it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from hermes_router.observe import records
from hermes_router.observe.status import client
from hermes_router.observe.status.messages import Worker, socket_of
from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, Stage
from tests.gateway.operate.test_commands import command
from tests.kit import FORUM, Reply
from tests.kit.waiting import wait_until

SLOW_PLATFORM = 8.0
"""Seconds until the platform says that a message is sent; people can read it at once."""


def status(stage: Stage) -> dict[str, Any]:
    done = command(stage, "status", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def profile(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return next(found for found in answer["profiles"] if found["name"] == name)


def working(stage: Stage, name: str) -> list[Worker]:
    """Return the workers of a profile that have a turn, as the gateway itself tells them."""
    told = client.ask(stage.root.path, seconds=ANSWER_SECONDS).status
    assert told is not None
    [found] = [each for each in told.profiles if each.name == name]
    return [worker for worker in found.workers if worker.turn]


def active_agents(stage: Stage) -> int:
    return int(json.loads((stage.root.path / "gateway_state.json").read_text())["active_agents"])


def test_status_tells_of_a_turn_while_it_runs(stage: Stage) -> None:
    stage.ask("before", CAREER, contains="before")
    hold = threading.Event()
    stage.model.script(Reply("held", hold=hold), contains="hold on", times=1)
    seen = stage.model.seq
    stage.telegram.say("hold on", chat_id=FORUM, thread_id=CAREER)
    try:
        stage.model.wait_for(lambda r: "hold on" in str(r.messages), after=seen, timeout=150)
        now = profile(status(stage), "career")
        [busy] = [worker for worker in now["workers"] if worker["role"] == "busy"]
        assert busy["place"] == f"telegram:{FORUM}:{CAREER}"
        assert busy["phase"] == "model_request"
        assert busy["memory"] > 1_000_000
        assert busy["age"] > 0
        assert now["today"]["turns"] >= 1
        assert now["today"]["median"] > 0
        assert active_agents(stage) == 1
        shown = command(stage, "status").stdout
        assert re.search(rf"career +{busy['pid']} +busy +{busy['turn']} +telegram:{FORUM}", shown)
    finally:
        hold.set()
    wait_until(lambda: active_agents(stage) == 0, 120)


def test_a_reply_that_the_platform_takes_slowly_is_being_sent(stage: Stage) -> None:
    stage.telegram.set_answer_latency("sendMessage", SLOW_PLATFORM)
    try:
        stage.ask("take your time", CAREER, contains="take your time")
        [worker] = [each for each in working(stage, "career") if each.role == "busy"]
        shown = command(stage, "status").stdout
    finally:
        stage.telegram.clear_faults()
    assert worker.phase == "sending"
    assert re.search(rf" {worker.turn} +telegram:{FORUM}:{CAREER} +sending ", shown), shown
    wait_until(lambda: all(each.phase != "sending" for each in working(stage, "career")))
    told = records.read(records.folder_of(stage.root.path), "career")
    assert [report.outcome for report in told if report.turn == worker.turn] == ["answered"]


def test_a_message_that_waits_for_the_answer_before_it_is_counted(stage: Stage) -> None:
    stage.ask("/busy queue", CAREER, contains="queue")
    hold = threading.Event()
    stage.model.script(Reply("held again", hold=hold), contains="hold once more", times=1)
    seen, calls = stage.model.seq, stage.telegram.seq
    stage.telegram.say("hold once more", chat_id=FORUM, thread_id=CAREER)
    try:
        stage.model.wait_for(lambda r: "hold once more" in str(r.messages), after=seen, timeout=150)
        assert profile(status(stage), "career")["waiting"] == []
        stage.telegram.say("behind it", chat_id=FORUM, thread_id=CAREER)
        wait_until(lambda: len(profile(status(stage), "career")["waiting"]) == 1, 120)
    finally:
        hold.set()
    stage.telegram.wait_reply(
        FORUM, CAREER, contains="behind it", after=calls, timeout=ANSWER_SECONDS
    )
    wait_until(lambda: profile(status(stage), "career")["waiting"] == [], 120)
    stage.ask("/busy interrupt", CAREER, contains="interrupt")


def test_what_is_closed_is_said_with_its_reason(stage: Stage) -> None:
    answer = status(stage)
    assert any("nobody: the profile does not exist" in closed for closed in answer["closed"])
    assert answer["configuration"]["routes"] == 3
    assert answer["versions"]["hermes"]
    assert answer["pid"] == stage.gateway.pid


def test_the_socket_is_its_owners_alone(stage: Stage) -> None:
    path = socket_of(stage.root.path)
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


AS_NOBODY = """
import os, socket, sys
os.chdir(sys.argv[1])
connections = [socket.socket(socket.AF_UNIX) for _ in range(20)]
os.setresuid(65534, 65534, 65534)
for connection in connections:
    connection.settimeout(30)
    connection.connect("status.sock")
print("connected", flush=True)
for connection in connections:
    try:
        connection.sendall(b'{"ask": "status"}\\n')
        print("heard", connection.recv(100))
    except (BrokenPipeError, ConnectionResetError):
        print("heard", b"")
"""
"""Connects to the socket as another user, and prints what it hears on each connection."""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_another_user_hears_nothing_and_the_turn_beside_it_is_served(stage: Stage) -> None:
    path = socket_of(stage.root.path)
    modes = {each: each.stat().st_mode & 0o777 for each in (path, path.parent)}
    path.parent.chmod(0o711)
    path.chmod(0o666)
    try:
        with subprocess.Popen(
            [sys.executable, "-c", AS_NOBODY, str(path.parent)], stdout=subprocess.PIPE, text=True
        ) as other:
            stage.ask("beside a stranger", CAREER, contains="beside a stranger")
            told, _ = other.communicate(timeout=100)
    finally:
        for each, mode in modes.items():
            each.chmod(mode)
    assert told.splitlines() == ["connected", *["heard b''"] * 20]
    assert status(stage)["pid"] == stage.gateway.pid


def test_clients_that_hang_flood_or_lie_change_nothing(stage: Stage) -> None:
    path = str(socket_of(stage.root.path))
    hanging = []
    for payload in (
        b"",
        b"x" * 10,
        b'{"ask":',
        b"y" * 100_000,
        b"\n\n\n",
        b'{"version":99}\n',
    ) * 10:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(30)
        client.connect(path)
        with contextlib.suppress(OSError):
            client.sendall(payload)
        hanging.append(client)
    begun = time.monotonic()
    stage.ask("still there?", SYSTEMS, contains="still there?")
    assert time.monotonic() - begun < ANSWER_SECONDS
    for client in hanging:
        client.close()
    wait_until(lambda: command(stage, "status").returncode == 0, 120)


def test_a_home_without_a_gateway_says_so(stage: Stage, tmp_path: Path) -> None:
    done = command(stage, "status", "--home", str(tmp_path))
    assert done.returncode == 1
    assert "not running" in done.stdout
    stale = tmp_path / "hermes-router"
    stale.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale / "status.sock"))
    done = command(stage, "status", "--home", str(tmp_path), "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (1, "stale")


def test_a_gateway_that_says_nothing_is_told_from_one_that_is_not_there(
    stage: Stage, tmp_path: Path
) -> None:
    (tmp_path / "hermes-router").mkdir()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "hermes-router" / "status.sock"))
        silent.listen()
        done = command(stage, "status", "--home", str(tmp_path))
    assert done.returncode == 1
    assert "does not answer" in done.stdout


def in_terminal(stage: Stage, *arguments: str, screens: int) -> list[str]:
    """Run a command in a terminal of 80 columns; return its first screens, the last one begun."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(stage.root.gateway_environ())
        os.environ.update(COLUMNS="80", LINES="24", TERM="xterm")
        os.execv(sys.executable, [sys.executable, "-m", "hermes_router.cli", *arguments])
    shown, top = b"", b"\x1b[H"
    deadline = time.monotonic() + 100
    os.set_blocking(terminal, False)
    while time.monotonic() < deadline and shown.count(top) < screens:
        try:
            shown += os.read(terminal, 65536)
        except BlockingIOError:
            time.sleep(0.05)
        except OSError:
            break
    os.kill(pid, 15)
    os.waitpid(pid, 0)
    os.close(terminal)
    return [screen.decode(errors="replace") for screen in shown.split(top)]


def test_a_live_view_fits_a_terminal(stage: Stage) -> None:
    screens = in_terminal(stage, "status", "--watch", screens=3)
    assert len(screens) >= 3
    last = re.sub(r"\x1b\[\d*m", "", screens[-2])
    assert len(last.splitlines()) <= 24
    assert "running for" in last
    assert "career" in last
    table = [line for line in last.splitlines() if line.startswith(("PROFILE", "career"))]
    assert table
    assert max(map(len, table)) <= 80
