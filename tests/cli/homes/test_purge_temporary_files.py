"""`disable --purge` removes what ended gateways left in the temporary folder, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Installation

ENDS_WITHOUT_CLEARING_UP = "import os; from hermes_router.base import scratch; scratch.make(None); "


@pytest.fixture
def temporary(installation: Installation) -> Path:
    folder = installation.base / "tmp"
    folder.mkdir()
    installation.extra["TMPDIR"] = str(folder)
    return folder


def gateway(installation: Installation, then: str) -> subprocess.Popen[str]:
    """Make a temporary folder as a gateway does, in a process that goes on with ``then``."""
    return subprocess.Popen(
        [sys.executable, "-c", ENDS_WITHOUT_CLEARING_UP + then],
        env=installation.environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_lock_and_folder_of_an_ended_gateway_go(
    installation: Installation, temporary: Path
) -> None:
    (temporary / "hermes-router-notes").mkdir()
    with gateway(installation, "os._exit(0)"):
        pass
    assert len(list(temporary.iterdir())) == 3
    done = installation.run("disable", "--purge")
    assert (done.status, "removed 1 temporary folder of earlier" in done.out) == (0, True), done
    assert [path.name for path in temporary.iterdir()] == ["hermes-router-notes"]


def test_those_of_a_process_that_runs_stay(installation: Installation, temporary: Path) -> None:
    with gateway(installation, "print(flush=True); input(); os._exit(0)") as other:
        assert other.stdout is not None
        other.stdout.readline()
        installation.run("disable", "--purge")
        assert len(list(temporary.iterdir())) == 2
        other.communicate("\n", timeout=60)
