"""Which open files are leases of a generation of dependencies, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="templates need Linux")

_PROGRAM = """
import fcntl, os, sys, types
from pathlib import Path
from hermes_router_worker.hermes.startup.generation import lease_for_all_forks, leases
Path('first/.leases').mkdir(parents=True)
Path('first/.lease-managed').touch()
lease = os.open('first/.leases/one', os.O_CREAT | os.O_RDWR)
{done}
os._exit(0)
"""
_LOCKED = "fcntl.flock(lease, fcntl.LOCK_EX)\n"


def said_after(done: str, folder: Path) -> str:
    """Return what a process says that has opened the file of a lease, and then does something."""
    command = [sys.executable, "-c", _PROGRAM.format(done=done)]
    process = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True
    )
    return process.stdout.decode().strip()


def test_a_lease_is_a_locked_file_of_a_generation(tmp_path: Path) -> None:
    said = said_after(_LOCKED + "print(leases() == {lease}, flush=True)", tmp_path)
    assert said == "True"


def test_a_lease_stays_one_when_its_file_was_removed(tmp_path: Path) -> None:
    removed = _LOCKED + "os.unlink('first/.leases/one'); print(leases() == {lease}, flush=True)"
    assert said_after(removed, tmp_path) == "True"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param("pass", id="no lock"),
        pytest.param("fcntl.lockf(lease, fcntl.LOCK_EX)", id="a lock that forks do not share"),
        pytest.param(
            _LOCKED + "fcntl.lockf(lease, fcntl.LOCK_EX)", id="also a lock that forks do not share"
        ),
        pytest.param(_LOCKED + "os.unlink('first/.lease-managed')", id="no generation"),
        pytest.param(_LOCKED + "os.rename('first/.leases', 'first/others')", id="another folder"),
    ],
)
def test_all_other_files_are_none(other: str, tmp_path: Path) -> None:
    look = (
        "from hermes_router_worker.startup.fork_safety import obstacle\n"
        "print(leases(), obstacle([0, 1, 2, *leases()]), flush=True)"
    )
    said = said_after(f"{other}\n{look}", tmp_path)
    assert said.startswith("set() descriptors are open: ")
    assert said.endswith("/one")


def test_a_process_without_a_lease_takes_none(tmp_path: Path) -> None:
    alone = "os.close(lease); print(lease_for_all_forks(), os.listdir('first/.leases'), flush=True)"
    assert said_after(alone, tmp_path) == "None ['one']"


def test_a_lease_that_cannot_be_had_is_a_reason_not_to_fork(tmp_path: Path) -> None:
    refused = (
        "def lease_directory(folder): raise PermissionError(f'no lease of {folder.name}')\n"
        "runtime = types.SimpleNamespace(lease_directory=lease_directory)\n"
        "sys.modules['hermes_cli'] = sys.modules['hermes_cli.runtime_state'] = runtime\n"
        "print(lease_for_all_forks(), flush=True)"
    )
    said = said_after(_LOCKED + refused, tmp_path)
    assert said == "the generation of dependencies could not be leased: no lease of first"
