"""`turns` and `logs` against a real gateway: one turn, one story."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.gateway.conftest import CAREER, SYSTEMS, Stage
from tests.gateway.operate.test_turn_records import wait_ended
from tests.kit import FORUM, Reply
from tests.kit.model.directives import tool
from tests.kit.waiting import wait_until

ESCAPE = "\x1b["


def command(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    return stage.outside(sys.executable, "-m", "hermes_router.cli", *arguments)


def test_one_turn_has_one_story(stage: Stage) -> None:
    before = len(wait_ended(stage, "career", 0))
    stage.ask("tell my story", CAREER, contains="tell my story")
    beside = stage.ask("another story", SYSTEMS, contains="another story")
    report = wait_ended(stage, "career", before + 1)[-1]
    listed = command(stage, "turns", "--profile", "career")
    assert listed.returncode == 0
    assert re.search(rf"{report.turn} +career +telegram:{FORUM}:{CAREER} .*answered", listed.stdout)
    assert ESCAPE not in listed.stdout
    told = command(stage, "logs", "--turn", report.turn)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    sources = [line.split()[3] for line in lines]
    assert {"gateway", "career/worker", "career/profile"} <= set(sources)
    assert all(line.split()[2] == report.turn for line in lines)
    times = [line[:23] for line in lines]
    assert times == sorted(times)
    assert "systems" not in told.stdout
    assert beside.text.endswith("another story")


def test_every_line_that_a_worker_prints_has_time_and_turn(stage: Stage) -> None:
    before = len(wait_ended(stage, "systems", 0))
    stage.ask("[[error 400]]", SYSTEMS)  # Hermes prints why
    report = wait_ended(stage, "systems", before + 1)[-1]
    lines = stage.worker_log("systems").splitlines()
    assert lines
    odd = [
        line
        for line in lines
        if not re.match(r"\d{4}-\S+T\S+ (hermes-router [a-z]+ |[0-9a-f]{8} |- )", line)
    ]
    assert not odd
    assert any(line.split()[1] == report.turn for line in lines)


def test_logs_follow_and_hide_secrets(stage: Stage) -> None:
    log = stage.root.profiles["systems"].path / "logs" / "hermes-router-worker.log"
    with subprocess.Popen(
        [sys.executable, "-m", "hermes_router.cli", "logs", "systems", "-f", "-n", "1", "--json"],
        env={**stage.root.gateway_environ(), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        following.stdout.readline()
        key = "sk-" + "abcdefghijklmnopqrstuvwx1234"
        moment = time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime())
        with log.open("a") as file:
            file.write(f"{moment} 1f0c2a9b OPENAI_API_KEY={key}\n")
        line = following.stdout.readline()
        following.terminate()
    entry = json.loads(line)
    assert (entry["turn"], entry["profile"], entry["source"]) == ("1f0c2a9b", "systems", "worker")
    assert "OPENAI_API_KEY" in entry["text"]
    assert "klmnopq" not in entry["text"]


def test_process_titles_tell_roles(stage: Stage) -> None:
    stage.ask("warm up", CAREER, contains="warm up")
    wait_until(lambda: {"template", "ready"} <= set(stage.titles("career")), 120)
    hold, place = threading.Event(), f"telegram:{FORUM}:{CAREER}"
    stage.model.script(Reply("shown", hold=hold), contains="show yourself", times=1)
    stage.telegram.say("show yourself", chat_id=FORUM, thread_id=CAREER)
    try:
        wait_until(lambda: any(title.startswith("busy ") for title in stage.titles("career")))
        busy = next(title for title in stage.titles("career") if title.startswith("busy "))
        assert re.fullmatch(rf"busy [0-9a-f]{{8}} {place}", busy)
        shown = f"supervisor {busy.split()[1]} {place}"
        wait_until(lambda: shown in stage.titles("career"), what=f"no {shown}")
    finally:
        hold.set()
    stage.wait_answered(60)


def test_the_title_of_a_worker_that_stays_for_background_work_says_so(stage: Stage) -> None:
    workspace, place = stage.root.profiles["systems"].path / "workspace", f"telegram:{FORUM}"
    asked = tool("terminal", command="until [ -e end ]; do sleep 0.1; done", background=True)
    stage.ask(asked, SYSTEMS, contains="tool said")
    try:
        wait_until(lambda: any(t.startswith("resident ") for t in stage.titles("systems")))
        [resident] = [t for t in stage.titles("systems") if t.startswith("resident ")]
        assert re.fullmatch(rf"resident [0-9a-f]{{8}} {place}:{SYSTEMS}", resident)
        assert resident.replace("resident", "supervisor") in stage.titles("systems")
    finally:
        (workspace / "end").touch()
    stage.wait_settled("systems")
    assert not any(resident.split()[1] in t for t in stage.titles("systems"))


def test_a_turn_that_nobody_knows_is_no_story(stage: Stage) -> None:
    done = command(stage, "logs", "--turn", "00000000")
    assert (done.returncode, done.stdout) == (1, "")
    assert "hermes-router turns" in done.stderr


def test_an_empty_list_says_what_to_do(stage: Stage, tmp_path: Path) -> None:
    done = command(stage, "turns", "--home", str(tmp_path))
    assert done.returncode == 0
    assert "test-route" in done.stdout
