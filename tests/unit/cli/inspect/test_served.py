"""Routed profiles that a gateway without the router would serve in its own process."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hermes_router.cli.commands import enable
from hermes_router.cli.inspect import homes, loading
from hermes_router.cli.inspect.checks import served
from hermes_router.cli.inspect.findings import Finding
from hermes_router.cli.setup.parking import MARKER

ROUTES = """\
gateway: {multiplex_profiles: false}
profile_routes:
  - {platform: telegram, chat_id: 1, profile: career}
  - {platform: telegram, chat_id: 2, profile: default}
  - {platform: telegram, chat_id: 3, profile: absent}
"""


@pytest.fixture(autouse=True)
def recent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "hermes_version", lambda: "0.21.5.post1")


@pytest.fixture
def career(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(ROUTES)
    (tmp_path / ".env").write_text("TELEGRAM_BOT_TOKEN=1:root\n")
    home = tmp_path / "profiles" / "career"
    home.mkdir(parents=True)
    return home


def found(root: Path) -> list[Finding]:
    return list(served.look(loading.load(str(root), offline=True), MARKER))


def test_a_routed_profile_that_is_not_parked_is_told_until_enable_parks_it(
    tmp_path: Path, career: Path
) -> None:
    (finding,) = found(tmp_path)
    assert (finding.check, finding.severity) == ("profile-parked", "warning")
    assert finding.profile == "career"
    assert "in the gateway's own process when the router is not loaded" in finding.what
    assert finding.where == str(career / "gateway.parked")
    assert finding.mend == f"hermes-router enable --home {tmp_path}"
    enable.switch_on(homes.gateway_home(str(tmp_path)))
    assert found(tmp_path) == []


def test_the_fix_names_no_home_that_nobody_named(
    tmp_path: Path, career: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    (finding,) = served.look(loading.load(None, offline=True), MARKER)
    assert finding.mend == "hermes-router enable"


@pytest.mark.parametrize("version", ["0.19.0", "0.21.4", None])
def test_a_hermes_without_parking_is_told_nothing(
    tmp_path: Path, career: Path, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    monkeypatch.setattr(served, "hermes_version", lambda: version)
    assert found(tmp_path) == []


def test_a_bot_of_its_own_is_a_reason_to_be_served(tmp_path: Path, career: Path) -> None:
    (career / ".env").write_text("TELEGRAM_BOT_TOKEN=2:own\n")
    (finding,) = found(tmp_path)
    assert (finding.check, finding.severity, finding.profile) == (
        "profile-own-bot",
        "info",
        "career",
    )
    assert "the gateway serves it in its own process" in finding.what
    (career / ".env").write_text("TELEGRAM_BOT_TOKEN=1:root\n")  # a copy of the shared bot
    assert [finding.check for finding in found(tmp_path)] == ["profile-parked"]
    (career / ".env").write_text("TELEGRAM_BOT_TOKEN=2:own\n")
    (career / "config.yaml").write_text("gateway: {standalone: true}\n")
    assert found(tmp_path) == []


def test_a_sandboxed_profile_is_parked_and_its_own_bot_told_to_be_silent(
    tmp_path: Path, career: Path
) -> None:
    (tmp_path / "config.yaml").write_text(
        f"{ROUTES}hermes_router: {{profiles: {{career: {{launcher: bubblewrap}}}}}}\n"
    )
    (career / ".env").write_text("TELEGRAM_BOT_TOKEN=2:own\n")
    silent, served_by_hermes = found(tmp_path)
    assert (silent.check, silent.severity) == ("profile-own-bot", "warning")
    assert "nobody answers that bot" in silent.what
    assert "`launcher: local`" in silent.mend
    assert served_by_hermes.check == "profile-parked"
    enable.switch_on(homes.gateway_home(str(tmp_path)))
    assert (career / MARKER).exists()
    assert found(tmp_path) == [silent]


@pytest.mark.parametrize(("value", "count"), [("true", 0), ('"yes"', 0), ("false", 1), ("x", 1)])
def test_a_standalone_profile_is_not_served_anyway(
    tmp_path: Path, career: Path, value: str, count: int
) -> None:
    (career / "config.yaml").write_text(f"gateway: {{standalone: {value}}}\n")
    assert len(found(tmp_path)) == count


def test_a_profile_with_a_gateway_of_its_own_is_left_to_it(tmp_path: Path, career: Path) -> None:
    start = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    record = {"pid": os.getpid(), "start_time": start}
    (career / "gateway.pid").write_text(json.dumps(record))
    assert found(tmp_path) == []


def test_a_standalone_gateway_serves_no_other_profile(tmp_path: Path, career: Path) -> None:
    gateway = tmp_path / "profiles" / "host"
    gateway.mkdir()
    (gateway / "config.yaml").write_text(ROUTES)
    assert [finding.profile for finding in found(gateway)] == ["career"]
    (gateway / "config.yaml").write_text(
        ROUTES.replace("multiplex_profiles: false", "standalone: true")
    )
    assert found(gateway) == []
