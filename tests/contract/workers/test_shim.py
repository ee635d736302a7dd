"""The command `hermes` that a worker's own processes find, with real shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tools.environments import local

from hermes_router_worker.send import shim


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lay the command out, with a program in Python's place that says what it is given."""
    folder = tmp_path / "it's a folder"
    folder.mkdir()
    program = folder / "python"
    program.write_text(f'#!/bin/sh\necho "ran: $* $0 ${shim.SOCKET_VARIABLE}"\n')
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setenv(shim.SOCKET_VARIABLE, "")
    monkeypatch.setenv("BASH_FUNC_hermes%%", "")
    monkeypatch.setattr(local, "_resolve_shell_init_files", local._resolve_shell_init_files)
    return shim.lay_out(folder)


def run(*command: str, **options: Any) -> str:
    said: str = subprocess.run(command, capture_output=True, text=True, **options).stdout  # noqa: PLW1510
    return said


@pytest.mark.parametrize(
    "command",
    [
        ("hermes", "send", "a b"),
        ("sh", "-c", "hermes send 'a b'"),
        ("bash", "-c", "hermes send 'a b'"),
        ("bash", "-lc", "hermes send 'a b'"),
        ("env", "-i", "PATH", "sh", "-c", "hermes send 'a b'"),
    ],
    ids=["program", "sh", "bash", "login", "scrubbed"],
)
def test_every_way_finds_the_command_and_its_socket(
    address: Path, command: tuple[str, ...]
) -> None:
    words = [f"PATH={os.environ['PATH']}" if word == "PATH" else word for word in command]
    said = run(*words)
    assert "ran: -P -m hermes_router_worker.send.command send a b" in said
    assert said.rstrip().endswith(str(address))


def test_the_shells_of_hermes_terminal_put_path_right(address: Path) -> None:
    (file,) = [name for name in local._resolve_shell_init_files() if "hermes-router" in name]
    command = f'unset -f hermes; PATH=/usr/bin:/bin; . "{file}"; hermes send'
    assert "hermes_router_worker.send.command send" in run("bash", "-c", command)
    assert address.parent.stat().st_mode & 0o777 == 0o700


def test_a_process_that_outlives_its_worker_gets_the_command_that_it_would_have(
    address: Path,
) -> None:
    shutil.rmtree(address.parent)
    other = address.parent.parent / "hermes"
    other.write_text("#!/bin/sh\necho another $*\n")
    other.chmod(0o700)
    path = f"{other.parent}:/usr/bin:/bin"
    environment = os.environ | {"PATH": path}
    assert run("bash", "-c", "hermes send x", env=environment) == "another send x\n"
