"""Cron jobs of routed profiles: on time, in the profile's own process, once, and never twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway.conftest import Stage, build_stage
from tests.kit import FakeModel, FakeTelegram
from tests.kit.cron_store import CronStore

REPORT = """echo "mark=$MARK home=$HERMES_HOME tool=$HOME cwd=$(pwd) parent=$PPID" >> {file}
"""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = build_stage(tmp_path_factory.mktemp("stage"), telegram, model)
    stage.root.configure({"hermes_router": {"schedule": {"cron": 0.2}}})
    stage.root.env({"MARK": "default"})
    return stage


@pytest.fixture
def cron(stage: Stage) -> CronStore:
    return CronStore(stage.root.profiles["career"].path)


def test_a_job_that_is_due_runs_in_a_process_of_its_profile(
    stage: Stage, cron: CronStore, tmp_path: Path
) -> None:
    file = tmp_path / "report"
    number = cron.add_script("report", REPORT.format(file=file), due=-5)
    (run,) = cron.wait_run(number)
    home = stage.root.profiles["career"].path
    assert run["status"] == "completed"
    assert file.read_text().split()[:2] == ["mark=career", f"home={home}"]
    assert f"parent={run['pid']}" in file.read_text()
    line = stage.gateway.wait_log(f"'report' ({number}) runs in process {run['pid']}", log="agent.log")
    assert "profile career" in line
    job = cron.job(number)
    assert job is not None
    assert job["last_status"] == "ok"
    stage.wait_settled("career")
    log = stage.worker_log("career")
    assert f"session=cron:{number}" in log
    assert "job=report" in log
    assert f"pid={run['pid']}" in log
