"""`hermes router` without a command says what `hermes-router` alone says."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from hermes_router.cli import entry, parser
from hermes_router.cli.terminal import output


def _alone(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str]:
    """Run `hermes router`, by default without a command; return its status and what it wrote."""
    parent = argparse.ArgumentParser(prog="hermes router")
    parser.add_to_hermes(parent)
    with pytest.raises(SystemExit) as ended:
        entry.run_in_hermes(parent.parse_args(words))
    return ended.value.code, "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("config", "step"),
    [
        ("model: {default: x}\n", "hermes router enable"),
        ("plugins: {enabled: [hermes-router]}\n", "hermes router init"),
        ("plugins: [\n", "hermes router routes"),
    ],
)
def test_hermes_router_alone_prints_the_help_and_the_next_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    config: str,
    step: str,
) -> None:
    monkeypatch.setattr(output, "_names", [])
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    (tmp_path / "config.yaml").write_text(config, "utf-8")
    status, shown = _alone(capsys)
    assert status == 2
    assert "examples:\n  hermes router test-route" in shown
    assert f"next: {step}  (" in shown


@pytest.mark.parametrize("words", [[], ["doctor"]])
def test_a_hint_names_the_profile_that_hermes_was_called_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    home = tmp_path / "profiles" / "career"
    home.mkdir(parents=True)
    (home / "config.yaml").write_text("model: {default: x}\n", "utf-8")
    monkeypatch.setattr(output, "_names", [])
    monkeypatch.setenv("HERMES_HOME", str(home))  # hermes -p career sets it
    status, shown = _alone(capsys, *words)
    assert "hermes -p career router enable" in shown
    assert re.search(r"(?<!-p career )router enable", shown) is None
    assert status in {1, 2}


def test_a_home_that_cannot_be_read_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> str:
        raise PermissionError(13, "Permission denied", "/somewhere")

    monkeypatch.setattr(output, "_names", [])
    monkeypatch.setattr("hermes_router.cli.next_step.next_step", fail)
    status, shown = _alone(capsys)
    assert status == 1
    assert "/somewhere: this user has no permission to read it" in shown
