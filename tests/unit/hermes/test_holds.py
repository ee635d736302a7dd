"""What the status says while Hermes itself begins no new turn: why, where, and until when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes_router.hermes.holds import holds

EVERYWHERE = "every routed place: "


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root that a plain `hermes` means, with two profiles."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("career", "systems"):
        home = tmp_path / ".hermes" / "profiles" / name
        home.mkdir(parents=True)
        (home / "SOUL.md").write_text("")
    return tmp_path / ".hermes"


def told(root: Path, home: Path | None = None, **runner: Any) -> list[str]:
    return holds(SimpleNamespace(**runner), home or root, root, ["career", "systems", "absent"])


def pause(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], object]:
    """Have Hermes pause a home, as `hermes pause` does; return what `hermes resume` does."""
    estop = pytest.importorskip("agent.estop", reason="Hermes has an emergency stop from 0.20 on")
    monkeypatch.setenv("HERMES_HOME", str(home))
    assert estop.engage("fire drill") == home / "ESTOP"
    resume: Callable[[], object] = estop.disengage
    return resume


def test_nothing_holds_in_a_gateway_that_runs(root: Path) -> None:
    assert told(root, _draining=False, _external_drain_active=False) == []


@pytest.mark.parametrize("doing", ["restarting", "shutting down"])
def test_a_gateway_that_stops_is_told(root: Path, doing: str) -> None:
    why = f"the gateway is {doing}; no new turn begins until it runs again"
    found = told(
        root, _draining=True, _external_drain_active=True, _restart_requested=doing == "restarting"
    )
    assert found == [EVERYWHERE + why]


def test_a_drain_by_another_program_is_told_with_the_file_that_asks_for_it(root: Path) -> None:
    drain = pytest.importorskip("gateway.drain_control", reason="only a newer Hermes drains so")
    drain.write_drain_request(home=root)
    [line] = told(root, _external_drain_active=True)
    assert line.startswith(EVERYWHERE + "another program drains the gateway; no new turn begins ")
    assert Path(line.partition(" until ")[2].removesuffix(" is removed or has expired")).exists()


def test_a_pause_of_the_root_holds_everywhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resume = pause(root, monkeypatch)
    why = (
        f"Hermes is paused ({root / 'ESTOP'}); no new turn begins until somebody runs hermes resume"
    )
    assert told(root) == [EVERYWHERE + why]
    assert told(root, root / "profiles" / "systems") == [EVERYWHERE + why]
    resume()
    assert told(root) == []


def test_a_pause_of_the_gateways_own_home_holds_everywhere(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = root / "profiles" / "systems"
    pause(home, monkeypatch)
    [line] = told(root, home)
    assert line == (
        f"{EVERYWHERE}Hermes is paused ({home / 'ESTOP'}); "
        "no new turn begins until somebody runs hermes -p systems resume"
    )


def test_a_pause_of_a_profile_holds_in_its_places(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = root / "profiles" / "career" / "ESTOP"
    resume = pause(file.parent, monkeypatch)
    [line] = told(root)
    assert line == (
        f"places of career: the profile is paused ({file}); "
        "no new turn begins until somebody runs hermes -p career resume"
    )
    resume()
    assert told(root) == []


def test_the_end_of_a_pause_names_a_root_that_a_plain_command_does_not_mean(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(root))
    pause(root, monkeypatch)
    [line] = told(root)
    assert line.endswith(f"until somebody runs HERMES_HOME={root} hermes resume")
