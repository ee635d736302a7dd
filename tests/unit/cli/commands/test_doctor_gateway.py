"""What `doctor` says where no gateway runs: was it never started, or was it killed?"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from hermes_router.cli.commands import doctor
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.findings import Finding
from hermes_router.state import running
from hermes_router.state.running import PLACE, Running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("plugins: {enabled: [hermes-router]}\n")
    return tmp_path


def leave_record(home: Path) -> None:
    """Write what a gateway leaves that is killed: the record of a process that is gone."""
    record = Running(pid=os.getpid(), start_time=1, since=0.0, code=running.installed())
    path = home / PLACE
    path.parent.mkdir()
    path.write_bytes(msgspec.json.encode(record))


def gateway(home: Path, *, offline: bool = False) -> Finding:
    loaded = loading.load(str(home), offline=offline)
    return next(finding for finding in doctor.look(loaded, {}) if finding.check == "gateway")


def test_a_killed_gateway_is_an_error_with_the_command_that_starts_one(home: Path) -> None:
    leave_record(home)
    finding = gateway(home)
    assert finding.severity == "error"
    assert "does not run, so nobody answers: it was killed, or it crashed" in finding.what
    assert finding.where == str(home)
    assert finding.mend == f"HERMES_HOME={home} hermes gateway run"


def test_a_gateway_that_was_never_started_is_a_warning(home: Path) -> None:
    finding = gateway(home)
    assert finding.severity == "warning"
    assert "nobody has started it, or it was stopped" in finding.what
    assert finding.mend == f"HERMES_HOME={home} hermes gateway run"


def test_offline_nothing_is_said_about_it(home: Path) -> None:
    leave_record(home)
    assert gateway(home, offline=True).severity == "info"
