"""`hermes-router completion`: scripts that a shell takes, and that know every option."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hermes_router.cli.parser import COMMANDS
from tests.cli.conftest import Installation


def _completed(script: str, folder: Path, *words: str) -> list[str]:
    """Return what bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in words)
    program = f"""{script}
COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}
_hermes_router
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", program], cwd=folder, capture_output=True, text=True, check=True, timeout=200
    )
    return done.stdout.split("\n")[:-1]


@pytest.fixture
def bash(installation: Installation) -> str:
    shown = installation.run("completion", "bash")
    assert shown.status == 0
    return shown.out


def test_bash_completes_commands_options_and_values(bash: str, tmp_path: Path) -> None:
    def offered(*words: str) -> list[str]:
        return _completed(bash, tmp_path, "hermes-router", *words)

    assert offered("") == [*COMMANDS, "-h", "--help", "--version"]
    assert offered("test") == ["test-route"]
    assert offered("test-route", "--k") == ["--keep"]
    assert offered("test-route", "x", "--chat-type", "f") == ["forum"]
    assert offered("completion", "z") == ["zsh"]
    (tmp_path / "my routes.yaml").touch()
    assert offered("routes", "--check", "my") == ["my routes.yaml"]
    assert offered("test-route", "--user", "") == [""]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_script_knows_every_command_and_option(
    installation: Installation, shell: str
) -> None:
    script = installation.run("completion", shell).out
    for command in COMMANDS:
        assert command in script
        options = installation.run(command, "--help").out
        for word in re.findall(r"--[a-z][a-z-]+", options):
            assert (word[2:] if shell == "fish" else word) in script, (command, word)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_script_is_one_that_its_shell_reads(
    installation: Installation, shell: str, tmp_path: Path
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    file = tmp_path / "script"
    file.write_text(installation.run("completion", shell).out)
    subprocess.run([shell, "-n", str(file)], check=True, timeout=200)


def test_another_shell_is_refused_with_those_that_there_are(installation: Installation) -> None:
    shown = installation.run("completion", "tcsh")
    assert shown.status == 2
    assert "choose from bash, zsh, fish" in shown.err
