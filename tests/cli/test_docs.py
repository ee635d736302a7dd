"""docs/cli.md: every command in it is run, and every key that it promises is there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hermes_router.observe import records
from hermes_router.observe.records import Records
from hermes_router.observe.status import messages
from hermes_router.observe.status.messages import Profile, Status, WaitingMessage, Worker
from hermes_router.turns.story import TurnReport
from tests.cli.conftest import CONFIG, ROOT, Installation, answering, build
from tests.kit import FORUM, FakeModel, FakeTelegram, HermesRoot

pytestmark = pytest.mark.timeout(600)

TEXT = (ROOT / "docs" / "cli.md").read_text("utf-8")
_BLOCK = re.compile(
    r"^```(?:{\.)?console(?P<how>[^\n}]*)}?\n(?P<body>.*?)^```", re.MULTILINE | re.DOTALL
)


def _examples(how: str = "") -> list[tuple[str, int]]:
    """Return the commands of the documentation, with the status that it says they end with."""
    found = []
    for block in _BLOCK.finditer(TEXT):
        words = block["how"].split()
        if (".say" in words) != (how == "say"):
            continue
        status = next((int(w.split('"')[1]) for w in words if w.startswith("status=")), 0)
        lines = block["body"].splitlines()
        assert all(line.startswith("$ hermes-router ") for line in lines), lines
        found += [(line.removeprefix("$ hermes-router "), status) for line in lines]
    return found


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The home of the other tests, and the draft that the examples check."""
    made = build(tmp_path_factory.mktemp("documented"))
    (made.base / "draft.yaml").write_text(CONFIG)
    return made


def test_the_documentation_has_an_example_of_every_command() -> None:
    from hermes_router.cli.parser import COMMANDS

    assert {command.split()[0] for command, _ in _examples()} >= set(COMMANDS)


@pytest.mark.parametrize(("command", "status"), _examples())
def test_an_example_does_what_the_text_says(
    documented: Installation, command: str, status: int
) -> None:
    shown = documented.run(*shlex.split(command))
    assert shown.status == status, shown.err
    assert shown.out


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HermesRoot]:
    with FakeTelegram() as telegram, FakeModel() as model:
        root = HermesRoot(tmp_path_factory.mktemp("speaking"), telegram=telegram, model=model)
        root.add_profile("career")
        root.configure({"gateway": {"profile_routes": {"telegram": {str(FORUM): {6: "career"}}}}})
        yield root


def _run(root: HermesRoot, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "hermes_router.cli", *arguments],
        env=root.gateway_environ(),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("command", "status"), _examples("say"))
def test_an_example_that_speaks_is_answered(
    speaking: HermesRoot, command: str, status: int
) -> None:
    assert status == 0
    assert "echo: hello" in _run(speaking, *shlex.split(command))


# -- the schema ------------------------------------------------------------------------------------


def _keys(heading: str) -> list[str]:
    """Return the keys in the table below a heading."""
    _, _, rest = TEXT.partition(f"\n{heading}\n")
    section = re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    found = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)
    assert found, heading
    return found


def _check_common(answer: dict[str, Any]) -> None:
    assert list(answer["config"]) == _keys("### The configuration")
    for problem in answer["problems"]:
        assert list(problem) == _keys("### A problem")


def test_test_route_prints_the_documented_keys(documented: Installation) -> None:
    for place in ("telegram:-1003961179976:6", "telegram:-1003961179976:7", "telegram:-42"):
        answer = documented.run("test-route", place, "--json").json
        assert list(answer) == _keys("### test-route --json")
        assert list(answer["place"]) == [
            *("platform", "chat_id", "thread_id", "user_id", "guild_id", "parent_chat_id", "bot"),
            "aliases",
        ]
        _check_common(answer)
        if answer["route"] is not None:
            assert list(answer["route"]) == _keys("### A route")
        if answer["worker"] is not None:
            assert list(answer["worker"]) == _keys("#### worker")
        for candidate in answer["candidates"]:
            assert list(candidate) == ["outcome", "reason", "requires", "route"]
        for finding in answer["findings"]:
            assert list(finding) == _keys("### A finding")


def test_test_route_says_the_same_keys_of_a_broken_file(
    documented: Installation, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("profile_routes: 7\n")
    answer = documented.run("test-route", "irc:x", "--config", str(broken), "--json").json
    assert list(answer) == _keys("### test-route --json")
    assert answer["problems"]
    _check_common(answer)


def test_what_was_said_has_the_documented_keys(speaking: HermesRoot) -> None:
    arguments = ("test-route", f"telegram:{FORUM}:6", "--say", "hello", "--json")
    said = json.loads(_run(speaking, *arguments))["say"]
    assert list(said) == _keys("#### say")
    assert said["messages"] == ["echo: hello"]
    assert list(said["sent"][0]) == ["seconds", "method", "message_id", "text", "files"]


def test_routes_prints_the_documented_keys(documented: Installation) -> None:
    answer = documented.run("routes", "--json").json
    assert list(answer) == _keys("### routes --json")
    _check_common(answer)
    for route in answer["routes"]:
        assert list(route) == [*_keys("### A route"), "answered_by", "usable", "takes_from"]
    for profile in answer["profiles"]:
        assert list(profile) == [
            *("name", "home", "usable", "model", "provider", "own_gateway_pid", "findings")
        ]


def test_a_check_prints_the_documented_keys(documented: Installation) -> None:
    answer = documented.run("routes", "--check", "draft.yaml", "--json").json
    assert list(answer) == _keys("### routes --check --json")


def test_doctor_prints_the_documented_keys(documented: Installation) -> None:
    answer = documented.run("doctor", "--json").json
    assert list(answer) == _keys("### doctor --json")
    assert list(answer["config"]) == _keys("### The configuration")
    assert list(answer["counts"]) == ["error", "warning", "info", "ok"]
    for finding in answer["findings"]:
        assert list(finding) == _keys("### A finding")
    assert list(answer["replaced"]) == ["gateway", "worker"]
    for one in (one for side in answer["replaced"].values() for one in side):
        assert list(one) == _keys("### A replaced function")


def _words(heading: str, key: str) -> list[str]:
    """Return what stands in code marks in the row of a key, in the table below a heading."""
    _, _, rest = TEXT.partition(f"\n{heading}\n")
    [row] = re.findall(rf"^\| `{key}` \|(.*)\|$", rest.partition("\n#")[0], re.MULTILINE)
    return [word for word in re.findall(r"`([a-z0-9_]+)`", row) if word != "null"]


def _status() -> Status:
    """Return a status in which nothing is empty."""
    profile = Profile(
        name="career",
        workers=[Worker(pid=1, role="busy")],
        waiting=[1.0],
        waiting_places=[WaitingMessage(place="irc:x", seconds=1.0)],
        last_failure=_report(),
    )
    versions = {"router": "1", "hermes": "1", "python": "1", "protocol": "1"}
    return Status(pid=1, home="/h", uptime=1.0, versions=versions, profiles=[profile])


def test_the_status_has_the_documented_keys(installation: Installation) -> None:
    heading, of_profile = "### status --json", "#### A profile of the status"
    documented = _keys(heading)
    with answering(installation, _status()):
        told = installation.run("status", "--json").json
    assert list(told) == [key for key in documented if key != "error"]
    for key in ("versions", "totals"):
        assert list(told[key]) == _words(heading, key)
    assert list(told["configuration"]) == _keys("#### The configuration in use")
    [profile] = told["profiles"]
    assert list(profile) == _keys(of_profile)
    assert sorted(profile["workers"][0]) == sorted(_words(of_profile, "workers"))
    assert list(profile["waiting_places"][0]) == _words(of_profile, "waiting_places")
    assert list(profile["today"]) == _words(of_profile, "today")
    assert set(profile["last_failure"]) == _of_a_turn()
    (messages.socket_of(installation.home)).unlink()
    told = installation.run("status", "--json").json
    assert list(told) == documented[: documented.index("error") + 1]


def _report() -> TurnReport:
    """Return a report in which every field differs from its default, so that none is left out."""
    other = {str: "x", int: 7, bool: True, dict[str, float]: {"start": 0.1}}
    fields: dict[str, Any] = {
        field.name: other.get(field.type, 0.5) for field in msgspec.structs.fields(TurnReport)
    }
    fields |= {"exit": "status 0", "at": datetime.now(UTC).isoformat(), "profile": "career"}
    return TurnReport(**fields)


def _of_a_turn() -> set[str]:
    return set(_words("### turns --json", "turns"))


def test_turns_prints_the_documented_keys(installation: Installation) -> None:
    Records(records.folder_of(installation.home)).add(_report())
    told = installation.run("turns", "--json").json
    assert list(told) == _keys("### turns --json")
    assert set(told["turns"][0]) == _of_a_turn()


def test_logs_prints_the_documented_keys(installation: Installation) -> None:
    log = installation.home / "logs" / "agent.log"
    log.parent.mkdir()
    log.write_text("2026-05-04 12:00:00,123 INFO gateway.run: it runs\n")
    [line] = installation.run("logs", "--json").out.splitlines()
    assert list(json.loads(line)) == _keys("### logs --json")


def test_the_documented_settings_of_an_outcome_are_all_there_are() -> None:
    from hermes_router.cli.inspect import answer

    assert set(answer._STATUSES) == {*answer._HEADLINES, "config_error", "without_router"}
    row = next(line for line in TEXT.splitlines() if line.startswith("| `outcome` |"))
    assert set(re.findall(r"`([a-z_]+)`", row)) == {"outcome", *answer._STATUSES}
