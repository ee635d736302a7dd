"""What has always been right between profiles, and is to stay so."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.gateway.conftest import ANSWER_SECONDS, CAREER, SYSTEMS, UNROUTED, Stage, build_stage
from tests.kit import FORUM, FakeModel, FakeTelegram, Reply
from tests.kit.state.cron_store import CronStore

pytestmark = pytest.mark.timeout(300)

PLANTED = {f"PLANTED_{number}": f"of-the-root-{number}" for number in range(50)}
LONG_TOPICS = range(60, 72)
#: Not `/debug`: it sends a report to a public address.
COMMANDS = (
    *("/help", "/profile", "/status", "/usage", "/insights", "/whoami", "/skills", "/commands"),
    *("/title kept", "/model special-model", "/model kit-model", "/reasoning high", "/fast on"),
    *("/yolo", "/yolo", "/voice on", "/voice off", "/verbose", "/footer on", "/personality"),
    *("/sethome", "/topic", "/memory", "/sessions", "/resume", "/goal", "/subgoal", "/rollback"),
    *("/undo", "/compress", "/bg hello", "/branch", "/queue later", "/reload-mcp"),
    *("/reload-skills", "/suggestions catalog", "/agents", "/busy queue", "/version", "/credits"),
    *("/plugins", "/tools", "/toolsets", "/retry", "/new", "/reset", "/stop"),
)


@pytest.fixture(scope="module")
def prepared(
    short_folder: Path,
    telegram: FakeTelegram,
    model: FakeModel,
) -> Stage:
    stage = build_stage(short_folder, telegram, model)
    stage.root.env(PLANTED)
    topics = {str(topic): "career" for topic in LONG_TOPICS}
    wide = {"limits": {"concurrent_turns": 12}}
    stage.root.configure(
        {
            "hermes_router": {
                "defaults": {"warm": {"enabled": True}},
                "profiles": {"career": wide},
                "schedule": {"cron": 0.2},
            },
            "gateway": {"profile_routes": {"telegram": {str(FORUM): topics}}},
        }
    )
    stage.root.profiles["career"].configure({"approvals": {"mode": "off"}})
    for topic in LONG_TOPICS:
        telegram.add_topic(topic, f"long {topic}")
    return stage


def hermes(stage: Stage, *command: str) -> str:
    """Return what a Hermes command of career's says on the command line."""
    done = subprocess.run(
        [sys.executable, "-m", "hermes_cli.main", "-p", "career", *command],
        env=stage.root.gateway_environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    return done.stdout + done.stderr


def test_nothing_of_the_roots_environment_is_in_any_process_or_tool(stage: Stage) -> None:
    background = json.dumps({"command": "sleep 6", "background": True})
    code = json.dumps({"code": "import os; print(dict(os.environ))"})
    said = stage.run("env; sh -c 'cat /proc/$PPID/environ' | tr '\\0' '\\n'")
    said += stage.ask(f"[[tool execute_code {code}]]", CAREER, contains="tool said").text
    cron, report = CronStore(stage.root.profiles["career"].path), "hermes-router/cron-environ"
    file = cron.home / report
    file.parent.mkdir(exist_ok=True)
    cron.wait_run(cron.add_script("environ", f"env > {file}", due=-5))
    said += file.read_text()
    stage.ask(f"[[tool terminal {background}]]", LONG_TOPICS[3], contains="tool said")
    below = psutil.Process(stage.gateway.pid).children(recursive=True)
    environs = {process.pid: environ_of(process) for process in below}
    assert any("HERMES_HOME" in environ for environ in environs.values())
    found = [pid for pid, environ in environs.items() if "of-the-root" in environ]
    assert found == []
    assert "of-the-root" not in said
    assert "PATH=" in said
    stage.wait_settled("career")


def environ_of(process: psutil.Process) -> str:
    try:
        return str(process.environ())
    except psutil.Error:  # it has just ended
        return ""


def test_a_session_that_is_deleted_from_the_command_line_is_begun_anew(stage: Stage) -> None:
    stage.ask("remember plugh", CAREER, contains="plugh")
    stage.ask("remember xyzzy", LONG_TOPICS[0], contains="xyzzy")
    stage.wait_settled("career")
    with closing(sqlite3.connect(stage.root.profiles["career"].path / "state.db")) as database:
        query = "SELECT session_id FROM messages WHERE content LIKE '%plugh%' LIMIT 1"
        (session,) = database.execute(query).fetchone()
    hermes(stage, "sessions", "delete", str(session), "--yes")
    asked = stage.model.seq
    stage.ask("what now?", CAREER, contains="what now?")
    assert "plugh" not in stage.model.requests("chat", after=asked)[-1].body.decode()
    asked = stage.model.seq
    stage.ask("and here?", LONG_TOPICS[0], contains="and here?")
    assert "xyzzy" in stage.model.requests("chat", after=asked)[-1].body.decode()


def test_a_change_of_who_answers_loses_nothing_and_mixes_nothing(stage: Stage) -> None:
    topic = LONG_TOPICS[1]
    answers = {"career": "career-model", "systems": "systems-model", "default": "kit-model"}
    for word, profile in (("one", "career"), ("two", "default"), ("three", "systems")):
        told(stage, topic, word, profile)
    for words, profile in (("one", "career"), ("two", "default"), ("three", "systems")):
        request = told(stage, topic, f"again {words}", profile)
        assert request[0] == answers[profile]
        others = {"one", "two", "three"} - {words}
        assert f"word {words}" in request[1]
        assert not [other for other in others if f"word {other}" in request[1]]


def told(stage: Stage, topic: int, word: str, profile: str) -> tuple[str, str]:
    """Let a profile answer a topic from now on; return the model and the request of a message."""
    stage.root.configure(
        {"gateway": {"profile_routes": {"telegram": {str(FORUM): {str(topic): profile}}}}}
    )
    asked = stage.model.seq
    stage.ask(f"word {word}", topic, contains=word)
    stage.wait_settled("career")
    request = stage.model.requests("chat", after=asked)[-1]
    return request.model, request.body.decode()


def contents(home: Path) -> dict[str, str]:
    """Return what the files of a home hold that a command could be meant for."""
    kept = {"config.yaml", ".env", "SOUL.md", "auth.json", "gateway_voice_mode.json"}
    folders = {"memories", "skills", "cron", "sessions"}
    paths = [path for name in folders for path in (home / name).rglob("*") if path.is_file()]
    paths += [home / name for name in kept if (home / name).exists()]
    hidden = {"ticker_heartbeat", "ticker_last_success", ".tick.lock", ".jobs.lock"}
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if path.name not in hidden
    }


def test_commands_in_a_routed_place_change_that_profiles_home_alone(stage: Stage) -> None:
    stage.ask("hello", UNROUTED, contains="hello")
    stage.ask("hello", SYSTEMS, contains="hello")
    stage.wait_settled("systems")
    homes = [stage.root.path, stage.root.profiles["systems"].path]
    before: list[dict[str, str]] = []
    while before != (now := [contents(home) for home in homes]):  # a turn writes at its end, too
        before = now
        time.sleep(1.0)
    for command in COMMANDS:
        seq = stage.telegram.seq
        stage.telegram.say(command, chat_id=FORUM, thread_id=LONG_TOPICS[2])
        stage.telegram.wait_reply(FORUM, LONG_TOPICS[2], after=seq, timeout=ANSWER_SECONDS)
        stage.wait_answered(30)
    assert [contents(home) for home in homes] == before


def test_eight_jobs_due_at_once_run_once_each_beside_other_schedulers(
    stage: Stage, tmp_path: Path
) -> None:
    home = stage.root.profiles["career"].path
    cron, runs = CronStore(home), home / "workspace" / "runs"
    names = [f"job-{number}" for number in range(8)]
    numbers = [cron.add_script(name, f"echo {name} >> {runs}", due=-5) for name in names]
    ticks = [
        subprocess.Popen(
            [sys.executable, "-m", "hermes_cli.main", "-p", "career", "cron", "tick"],
            env=stage.root.gateway_environ(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    for number in numbers:
        assert len(cron.wait_run(number)) == 1
    for tick in ticks:
        tick.wait(200)
    assert sorted(runs.read_text().split()) == names


def test_one_profile_answers_at_once_while_another_works_on_twelve_messages(stage: Stage) -> None:
    stage.wait_settled("systems")
    asked, hold = stage.model.seq, threading.Event()
    held = Reply("long work is done", hold=hold)
    stage.model.script(held, contains="long work", times=len(LONG_TOPICS))
    try:
        for topic in LONG_TOPICS:
            stage.telegram.say(f"long work of {topic}", chat_id=FORUM, thread_id=topic)
        stage.model.wait_for(
            lambda _: len(at_work(stage, asked)) == len(LONG_TOPICS), after=asked, timeout=300
        )
        seq = stage.telegram.seq
        stage.ask("quickly", SYSTEMS, contains="quickly")
        told = [call.params["text"] for call in stage.telegram.calls("sendMessage", after=seq)]
    finally:
        hold.set()
    assert not [text for text in told if text.startswith("long")]  # none of the twelve is done


def at_work(stage: Stage, after: int) -> list[str]:
    requests = stage.model.requests("chat", after=after)
    return [one.last_user for one in requests if "long work of" in one.last_user]
