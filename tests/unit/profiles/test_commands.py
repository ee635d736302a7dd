"""The commands that the gateway names to people, whose shell knows nothing of its environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_router.profiles.commands import of_running


@pytest.fixture
def native(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home that a plain `hermes` uses."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".hermes"


def test_a_plain_command_means_the_native_home(native: Path) -> None:
    commands = of_running(native)
    assert commands.restart == "hermes gateway restart"
    assert commands.router("routes") == "hermes-router routes"
    assert of_running(native, in_hermes=True).router("routes") == "hermes router routes"


def test_another_home_is_named(native: Path) -> None:
    commands = of_running(Path("/srv/her mes"))
    assert commands.restart == "HERMES_HOME='/srv/her mes' hermes gateway restart"
    assert commands.hermes("resume", "kid") == "HERMES_HOME='/srv/her mes' hermes -p kid resume"
    assert commands.router("routes") == "hermes-router routes --home '/srv/her mes'"


def test_the_gateway_of_a_profile_is_named(native: Path) -> None:
    home = native / "profiles" / "family"
    commands = of_running(home)
    assert commands.restart == "hermes -p family gateway restart"
    assert commands.hermes("resume", "default") == "hermes resume"
    assert commands.router("routes") == f"hermes-router routes --home {home}"
    inside = of_running(home, in_hermes=True)
    assert inside.router("routes") == "hermes -p family router routes"


def test_a_user_without_a_home_has_no_plain_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 7)
    assert of_running(tmp_path).restart == f"HERMES_HOME={tmp_path} hermes gateway restart"


def test_a_link_to_the_native_home_is_that_home(native: Path, tmp_path: Path) -> None:
    native.mkdir()
    (tmp_path / "link").symlink_to(native)
    assert of_running(tmp_path / "link").restart == "hermes gateway restart"
