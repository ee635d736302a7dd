"""`hermes-router test-route --say`: real turns of a real worker, with a terminal for a platform."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.kit import FORUM, FakeModel, FakeTelegram, HermesRoot, Reply
from tests.kit.state.damaged import unreadable_messages

pytestmark = pytest.mark.timeout(600)  # a cold turn takes 10 s where the machine is busy

PLACE = f"telegram:{FORUM}:6"
REAL_KEY = f"agent:main:telegram:group:{FORUM}:6"


@dataclass
class Place:
    """A root with a routed profile, and no gateway."""

    root: HermesRoot
    model: FakeModel

    @property
    def home(self) -> Path:
        return self.root.profiles["career"].path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "hermes_router.cli", "test-route", PLACE, *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.root.gateway_environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )

    def said(self, *arguments: str) -> dict[str, Any]:
        done = self.run(*arguments, "--json")
        assert done.stderr == ""
        said: dict[str, Any] = json.loads(done.stdout)["say"]
        assert said["exit_status"] == done.returncode
        return said

    def rows(self) -> dict[str, int]:
        """Return how many rows each table of the profile's database has.

        In ``state_meta`` Hermes notes what it did to the database itself, when it opens it.
        """
        connection = sqlite3.connect(self.home / "state.db")
        try:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = [
                name
                for (name,) in names.fetchall()
                if not name.startswith(("sqlite_", "state_meta"))
            ]
            return {
                name: connection.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0]
                for name in tables
                if not name.endswith(("_data", "_idx", "_docsize", "_config"))
            }
        finally:
            connection.close()

    def keys(self) -> list[str]:
        """Return the session keys that the profile's routing index knows."""
        connection = sqlite3.connect(self.home / "state.db")
        try:
            found = connection.execute("SELECT DISTINCT session_key FROM gateway_routing")
            return sorted(key for (key,) in found.fetchall())
        finally:
            connection.close()

    def workers(self) -> list[psutil.Process]:
        return [
            process
            for process in psutil.process_iter(["cmdline", "environ"])
            if "hermes_router_worker" in " ".join(process.info["cmdline"] or [])
            and (process.info["environ"] or {}).get("HERMES_HOME") == str(self.home)
        ]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with FakeTelegram() as telegram, FakeModel() as model:
        root = HermesRoot(tmp_path_factory.mktemp("say"), telegram=telegram, model=model)
        root.add_profile("career", config={"streaming": {"enabled": True}})
        root.configure({"gateway": {"profile_routes": {"telegram": {str(FORUM): {6: "career"}}}}})
        yield Place(root, model)
        assert telegram.calls() == []  # nothing ever reached the platform


def test_a_turn_is_shown_and_its_session_is_gone_afterwards(place: Place) -> None:
    kept = place.run("--say", "keep this one", "--keep")
    assert kept.returncode == 0, kept.stderr
    assert "echo: keep this one" in kept.stdout
    assert "the session is kept" in kept.stdout
    assert place.keys() == [REAL_KEY]
    before = place.rows()
    files = sorted(path.name for path in (place.home / "sessions").iterdir())

    done = place.run("--say", "forget this one")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "answered by a worker of profile career" in done.stdout
    assert "echo: forget this one" in done.stdout
    assert "\nanswered; waiting for the worker to finish" in done.stdout
    assert "the turn's session is removed" in done.stdout
    for phase in ("start", "ready", "model_request", "reply", "gone"):
        assert f"\n  {phase} " in done.stdout

    assert place.keys() == [REAL_KEY]
    assert place.rows() == before
    assert sorted(path.name for path in (place.home / "sessions").iterdir()) == files
    index = json.loads((place.home / "sessions" / "sessions.json").read_text())
    assert [key for key in index if not key.startswith("_")] == [REAL_KEY]
    assert place.workers() == []


def test_a_kept_turn_goes_on_with_the_places_real_session(place: Place) -> None:
    place.said("--say", "my number is 4711", "--keep")
    seen = place.model.seq
    said = place.said("--say", "what is my number?", "--keep")
    assert said["kept"]
    assert said["sessions_removed"] is None
    request = place.model.wait_chat("what is my number?", after=seen)
    assert any("4711" in str(message) for message in request.messages)
    seen = place.model.seq
    said = place.said("--say", "and now?")
    assert said["sessions_removed"] == 1
    request = place.model.wait_chat("and now?", after=seen)
    assert not any("4711" in str(message) for message in request.messages)


def test_streaming_edits_are_shown(place: Place) -> None:
    words = " ".join(f"word{number}" for number in range(40))
    place.model.script(Reply(words, chunk_delay=0.1), contains="stream it", times=1)
    said = place.said("--say", "stream it")
    methods = [sent["method"] for sent in said["sent"]]
    assert methods[0] == "send"
    assert "edit_message" in methods
    assert said["messages"][-1] == words
    seconds = [sent["seconds"] for sent in said["sent"]]
    assert seconds == sorted(seconds)


def test_a_file_is_named_with_its_size(place: Place) -> None:
    script = '[[tool terminal {"command": "printf 12345 > $PWD/note.txt; pwd"}]]'
    workspace = place.home / "workspace"
    place.said("--say", f"{script} [[say done]]")
    assert (workspace / "note.txt").read_text() == "12345"
    said = place.said("--say", f"[[say MEDIA:{workspace / 'note.txt'}]]")
    files = [file for sent in said["sent"] for file in sent["files"]]
    assert files == ["note.txt, 5 bytes"]


def test_a_turn_that_fails_is_status_4_and_says_where_to_look(place: Place) -> None:
    place.root.configure({"hermes_router": {"defaults": {"timeouts": {"turn": 1}}}})
    try:
        done = place.run("--say", "too late")
    finally:
        place.root.configure({"hermes_router": None})
    assert done.returncode == 4
    assert "ERROR: " in done.stderr
    assert "timeouts.turn" in done.stderr
    assert "hermes-router-worker.log" in done.stderr
    assert "Traceback" not in done.stderr
    assert place.workers() == []


def test_an_interrupt_ends_the_worker_and_removes_the_session(place: Place) -> None:
    assert place.said("--say", "hello")["exit_status"] == 0  # the profile has a database now
    before = place.rows()
    gate = threading.Event()
    place.model.script(Reply("never", hold=gate), contains="hang on", times=1)
    process = subprocess.Popen(
        place.command("--say", "hang on"),
        env=place.root.gateway_environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        place.model.wait_chat("hang on", timeout=200)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=200)
    finally:
        gate.set()
        process.kill()
    assert process.returncode == 130
    assert errors.strip() == ""
    deadline = time.monotonic() + 60
    while place.workers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert place.workers() == []
    assert place.rows() == before


def test_a_place_without_a_worker_has_nothing_to_run_and_says_so(place: Place) -> None:
    before = place.model.seq
    done = subprocess.run(
        [*place.command("--say", "x")[:4], f"telegram:{FORUM}:7", "--say", "x"],
        env=place.root.gateway_environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 1
    assert "unmatched: answered by the gateway itself" in done.stdout
    assert done.stderr == "TIP: no turn was run: --say needs a place that a worker answers\n"
    assert place.model.seq == before
    assert place.workers() == []


def test_a_profile_whose_worker_cannot_start_has_nothing_to_run_either(place: Place) -> None:
    config, before = place.home / "config.yaml", place.model.seq
    text = config.read_text()
    config.write_text("model: [")
    try:
        done = place.run("--say", "x")
    finally:
        config.write_text(text)
    assert (done.returncode, "which cannot be used" in done.stdout) == (3, True)
    assert done.stderr == "TIP: no turn was run: --say needs a place that a worker answers\n"
    assert place.model.seq == before


def test_an_unknown_platform_is_told(place: Place) -> None:
    place.root.configure({"profile_routes": [{"platform": "telepathy", "profile": "career"}]})
    try:
        done = subprocess.run(
            [*place.command()[:4], "telepathy:1", "--say", "x"],
            env=place.root.gateway_environ(),
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
    finally:
        place.root.configure({"profile_routes": None})
    assert done.returncode == 1
    assert "this Hermes does not know the platform" in done.stderr


def test_a_model_that_fails_is_a_turn_that_failed(place: Place) -> None:
    said = place.said("--say", "[[error 400]] please")
    assert said["exit_status"] == 4
    assert said["outcome"] == "model_failed"
    assert "400" in said["error"]
    assert said["failure"] is None
    done = place.run("--say", "[[error 400]] please")
    assert done.returncode == 4
    assert "the model failed" in done.stderr
    assert "\nanswered; waiting for the worker" not in done.stdout
    assert "\nit is over; waiting for the worker" in done.stdout


def test_a_profile_without_a_key_is_a_turn_that_failed(place: Place) -> None:
    with place.root.profiles["career"].without_key():
        said = place.said("--say", "anybody there?")
        done = place.run("--say", "anybody there?")
    assert (said["exit_status"], said["outcome"], said["failure"]) == (4, "no_model", None)
    assert said["error"]
    assert said["messages"][-1].split() == [*said["error"].split(), f"[{said['turn']}]"]
    assert done.returncode == 4
    assert "there is no key or login for its model" in done.stdout.partition("\nyou: ")[0]
    assert f"there is no key or no model: {said['error'][:40]}" in done.stderr


def test_a_fallback_that_answers_is_named_and_is_no_failure(place: Place) -> None:
    profile = place.root.profiles["career"]
    fallback = {
        "provider": "custom",
        "model": "career-fallback",
        "base_url": place.model.base_url,
        "api_key": "career-key",
    }
    profile.configure({"fallback_model": fallback})
    for _ in range(2):
        place.model.script(Reply(error=404), contains="who answers?", model="model-of-career")
    try:
        said = place.said("--say", "who answers?")
        done = place.run("--say", "who answers?")
    finally:
        place.model.clear_scripts()
        profile.configure({"fallback_model": None})
    assert (said["exit_status"], said["outcome"]) == (0, "answered")
    assert (said["fallback"], said["model"]) == (True, "career-fallback")
    assert done.returncode == 0, done.stderr
    assert "\nanswered by the fallback career-fallback\n" in done.stdout
    own = place.said("--say", "and now?")
    assert (own["fallback"], own["model"]) == (False, "model-of-career")


def test_a_history_that_cannot_be_read_is_a_turn_that_failed(place: Place) -> None:
    assert place.said("--say", "the marmot whistles", "--keep")["exit_status"] == 0
    with unreadable_messages(place.home, "marmot"):
        said = place.said("--say", "what whistles?", "--keep")
        done = place.run("--say", "what whistles?", "--keep")
    assert (said["exit_status"], said["outcome"]) == (4, "hermes_failed")
    assert "the session's history could not be read" in said["error"]
    assert said["messages"][-1].endswith(f" [{said['turn']}]")
    assert done.returncode == 4
    assert "Hermes failed: the session's history could not be read" in done.stderr
