"""Platforms to which the running gateway has no connection, as Hermes's file of states says it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hermes_router.cli.commands import status
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.checks import connections
from hermes_router.cli.inspect.findings import Finding
from hermes_router.cli.inspect.gateway.serving import Serving
from hermes_router.cli.inspect.homes import GatewayHome
from hermes_router.observe.status import messages
from hermes_router.observe.status.messages import Configuration, Status
from hermes_router.protocol.system.pids import start_time
from hermes_router.state import running
from hermes_router.state.running import Running

TOKEN = "123456:AAE_secret-of-the-bot"
ROUTES = """\
profile_routes:
  - {platform: telegram, chat_id: 1, profile: career}
  - {platform: discord, chat_id: 2, profile: career, enabled: false}
  - {platform: slack, chat_id: 3, profile: career, bot_profile: finance}
"""
REFUSED = {"state": "fatal", "error_code": "telegram_unauthorized", "error_message": TOKEN}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(ROUTES)
    return tmp_path


def write(home: Path, *, pid: int | None = None, **platforms: dict[str, Any]) -> None:
    """Write the file as the gateway ``pid`` would, by default this process."""
    pid = os.getpid() if pid is None else pid
    writer = {"writer_pid": pid, "writer_start_time": start_time(pid)}
    entries = {name.replace("__", ":"): {**writer, **entry} for name, entry in platforms.items()}
    state = {"pid": pid, "start_time": start_time(pid), "platforms": entries}
    (home / "gateway_state.json").write_text(json.dumps(state))


def found(home: Path, state: str = "serving", *, uptime: float = 3600.0) -> list[Finding]:
    """Return what `doctor` finds while this process is the home's gateway."""
    loaded = loading.load(str(home), offline=True)
    since = time.time() - uptime
    record = Running(pid=os.getpid(), start_time=None, since=since, code=running.installed())
    serving = Serving(state=state, what="", record=record)  # type: ignore[arg-type]
    return list(
        connections.look(msgspec.structs.replace(loaded, gateway=os.getpid(), serving=serving))
    )


def test_a_refused_token_is_an_error_that_does_not_show_it(home: Path) -> None:
    write(home, telegram=REFUSED)
    (finding,) = found(home)
    assert (finding.check, finding.severity) == ("platform-connection", "error")
    assert finding.what == (
        "telegram is not connected (fatal, telegram_unauthorized): no message arrives from there"
    )
    assert str(home / "logs" / "errors.log") in finding.mend
    assert f"HERMES_HOME={home} hermes gateway setup" in finding.mend
    assert TOKEN not in str(finding)


@pytest.mark.parametrize("word", [TOKEN, 7, "xoxb1", ""])
def test_a_code_or_state_that_is_no_word_is_not_shown(home: Path, word: object) -> None:
    write(home, telegram={"state": word, "error_code": word})
    (finding,) = found(home)
    assert finding.what.startswith("telegram is not connected (unknown): ")


@pytest.mark.parametrize("state", ["connecting", "retrying"])
def test_a_platform_that_connects_while_the_gateway_starts_is_no_fault(
    home: Path, state: str
) -> None:
    write(home, telegram={"state": state})
    assert [finding.severity for finding in found(home, uptime=5)] == ["info"]
    assert [finding.severity for finding in found(home, uptime=100)] == ["error"]
    write(home, telegram=REFUSED)
    assert [finding.severity for finding in found(home, uptime=5)] == ["error"]


def test_the_bot_of_another_profile_is_told_with_its_profile(home: Path) -> None:
    fine = {"state": "connected"}
    write(home, telegram=fine, finance__slack={"state": "retrying"}, slack={"state": "fatal"})
    (finding,) = found(home)
    assert finding.what.startswith("slack (the bot of finance) is not connected (retrying): ")
    assert "hermes -p finance gateway setup" in finding.mend


def test_platforms_without_routes_and_connected_ones_are_no_findings(home: Path) -> None:
    write(home, telegram={"state": "connected"}, discord=REFUSED, matrix=REFUSED)
    assert found(home) == []


def test_a_profile_for_unmatched_messages_needs_every_platform(home: Path) -> None:
    (home / "config.yaml").write_text(f"{ROUTES}hermes_router: {{unmatched: career}}\n")
    fine = {"state": "connected"}
    write(home, matrix=REFUSED, discord=fine, telegram=fine)
    assert [finding.what.split()[0] for finding in found(home)] == ["matrix"]


def test_what_an_earlier_gateway_wrote_says_nothing(home: Path) -> None:
    write(home, pid=1, telegram=REFUSED)
    assert found(home) == []
    for writer in ({"writer_pid": 1, "writer_start_time": None}, {"writer_start_time": 1}):
        write(home, telegram={**REFUSED, **writer})
        (finding,) = found(home)
        assert "was started without telegram" in finding.what


def test_an_older_hermes_that_names_the_writer_once_is_understood(home: Path) -> None:
    state = {"pid": os.getpid(), "platforms": {"telegram": {"state": "retrying"}}}
    (home / "gateway_state.json").write_text(json.dumps(state))
    assert [finding.severity for finding in found(home)] == ["error"]


@pytest.mark.parametrize("text", ["", "[]", '{"platforms": [1]}', '{"platforms": {"telegram": 1}}'])
def test_a_file_of_another_shape_is_no_finding(home: Path, text: str) -> None:
    (home / "gateway_state.json").write_text(text)
    assert found(home) == []


def test_a_platform_that_was_configured_after_the_start_needs_a_restart(home: Path) -> None:
    write(home)
    (finding,) = found(home)
    assert finding.severity == "error"
    assert finding.what == (
        "the running gateway was started without telegram: no message arrives from there"
    )
    assert finding.mend.startswith(f"HERMES_HOME={home} hermes gateway restart; if")
    of = GatewayHome(path=home, chosen_by="--home")
    assert connections.closed(of, os.getpid(), uptime=100.0) == [finding.what]
    assert found(home, uptime=5) == []
    assert connections.closed(of, os.getpid(), uptime=5.0) == []


def test_messages_of_a_platform_may_come_through_a_relay(home: Path) -> None:
    write(home, relay={"state": "connected"})
    assert found(home) == []


def test_offline_the_file_is_not_read(home: Path) -> None:
    write(home, telegram=REFUSED)
    assert found(home, "offline") == []


def test_status_says_it_with_what_is_closed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home, telegram=REFUSED, discord=REFUSED)
    configuration = Configuration(file="config.yaml", routes=1, warm_profiles=8)
    now = Status(pid=os.getpid(), home=str(home), uptime=1.0, configuration=configuration)
    monkeypatch.setattr(status, "ask", lambda _: messages.Answer(status=now))
    status.show(status._ask(GatewayHome(path=home, chosen_by="--home")))
    shown = capsys.readouterr().out
    assert shown.count("closed:") == 1
    assert "closed: telegram is not connected (fatal, telegram_unauthorized): no message" in shown
    assert TOKEN not in shown


def test_status_says_nothing_while_a_starting_gateway_connects(home: Path) -> None:
    write(home, telegram={"state": "retrying"})
    of = GatewayHome(path=home, chosen_by="--home")
    assert connections.closed(of, os.getpid(), uptime=5.0) == []
    assert len(connections.closed(of, os.getpid(), uptime=100.0)) == 1
