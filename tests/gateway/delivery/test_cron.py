"""Cron jobs of routed profiles: on time, in the profile's own process, once, and never twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from cron import executions, jobs
from toolsets import _HERMES_CORE_TOOLS

from tests.gateway.conftest import CAREER, SYSTEMS, Stage, build_stage, start_cold
from tests.kit import FORUM, FakeModel, FakeTelegram
from tests.kit.model.directives import tool
from tests.kit.state.cron_store import BLOCKING, CronStore, begun, running_job
from tests.kit.waiting import wait_until

GONE = 40
"""A topic that is routed to a profile and does not exist any more."""

CRON_TOOL = "cronjob_manage" if "cronjob_manage" in _HERMES_CORE_TOOLS else "cronjob"
"""Its name from 0.22 on, or before."""

HERMES_CLAIMS = hasattr(jobs, "heartbeat_fire_claim")
"""Whether Hermes itself keeps a job that runs from others, as from 0.20 on."""

DIED = "unknown" if hasattr(executions, "terminalize_dead_owner") else "failed"
"""What Hermes calls a run whose process has died: from 0.22 on nobody knows what it has done."""

REPORT = """echo "mark=$MARK home=$HERMES_HOME tool=$HOME cwd=$(pwd) parent=$PPID" >> {file}
"""


def due_later(cron: CronStore, number: str) -> bool:
    """Say whether a job's next run is in the future."""
    job = cron.job(number)
    return job is not None and datetime.fromisoformat(job["next_run_at"]) > datetime.now(UTC)


def out_of_reach(cron: CronStore, number: str) -> bool:
    """Say whether no other Hermes would run a job: it is claimed, and not due where need be."""
    job = cron.job(number)
    claimed = job is not None and bool(job["fire_claim"])
    return claimed and (HERMES_CLAIMS or due_later(cron, number))


def start_hermes(stage: Stage, *command: str) -> subprocess.Popen[str]:
    """Start a Hermes command of the profile, which knows nothing of the router."""
    return subprocess.Popen(
        [sys.executable, "-m", "hermes_cli.main", "-p", "career", *command],
        env=stage.root.gateway_environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def hermes(stage: Stage, *command: str) -> str:
    """Return what a Hermes command of the profile says."""
    return start_hermes(stage, *command).communicate(timeout=200)[0]


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, telegram: FakeTelegram, model: FakeModel
) -> Stage:
    stage = start_cold(build_stage(tmp_path_factory.mktemp("stage"), telegram, model), "systems")
    stage.root.configure(
        {
            "hermes_router": {"schedule": {"cron": 0.2}},
            "gateway": {"profile_routes": {"telegram": {str(FORUM): {str(GONE): "career"}}}},
        }
    )
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
    line = stage.gateway.wait_log(
        f"'report' ({number}) runs in process {run['pid']}", log="agent.log"
    )
    assert "profile career" in line
    job = cron.job(number)
    assert job is not None
    assert job["last_status"] == "ok"
    stage.wait_settled("career")
    log = stage.worker_log("career")
    assert f"session=cron:{number}" in log
    assert "job=report" in log
    assert f"pid={run['pid']}" in log


def test_a_job_far_past_its_time_runs_once_and_is_planned_anew(
    stage: Stage, cron: CronStore, tmp_path: Path
) -> None:
    file = tmp_path / "late"
    number = cron.add_script("late", f"echo ran >> {file}", due=-3 * 86400, kind="cron")
    cron.wait_run(number)
    stage.wait_settled("career")
    job = cron.job(number)
    assert job is not None
    assert datetime.fromisoformat(job["next_run_at"]) > datetime.now(UTC)
    assert file.read_text() == "ran\n"


def test_a_jobs_script_sends_to_the_home_channel(stage: Stage, cron: CronStore) -> None:
    number = cron.add_script("sender", "hermes send --to telegram fromcron", due=-5)
    (run,) = cron.wait_run(number)
    assert run["status"] == "completed", run
    sent = [c.place for c in stage.telegram.calls("sendMessage") if c.text == "fromcron"]
    assert sent == [(FORUM, CAREER)]
    stage.wait_settled("career")


def test_a_one_time_job_runs_once_and_is_gone(
    stage: Stage, cron: CronStore, tmp_path: Path
) -> None:
    file = tmp_path / "once"
    number = cron.add_script("once", f"echo ran >> {file}", due=-30, kind="once")
    cron.wait_run(number)
    stage.wait_settled("career")
    assert cron.over(number)
    assert file.read_text() == "ran\n"


def test_a_job_that_is_paused_or_due_later_starts_no_process(stage: Stage, cron: CronStore) -> None:
    later = cron.add_script("later", "true", due=3600)
    paused = cron.add_script("paused", "true", due=-5, enabled=False, state="paused")
    now = cron.add_script("now", "true", due=-5)
    cron.wait_run(now)
    stage.wait_settled("career")
    log = stage.worker_log("career")
    assert f"cron:{now}" in log
    assert f"cron:{later}" not in log
    assert f"cron:{paused}" not in log


def test_jobs_due_at_once_have_a_process_each(
    stage: Stage, cron: CronStore, tmp_path: Path
) -> None:
    code = f"mkdir -p {tmp_path}/$1; touch {tmp_path}/up-$$; while [ $(ls {tmp_path} | grep -c up-)"
    code += " -lt 2 ]; do sleep 0.05; done"
    numbers = [cron.add_script(name, code, due=-5) for name in ("first", "second")]
    pids = {cron.wait_run(number)[0]["pid"] for number in numbers}
    assert len(pids) == 2


def test_a_turn_is_answered_while_a_job_runs_which_is_not_run_twice(
    stage: Stage, cron: CronStore, tmp_path: Path
) -> None:
    with running_job(cron, tmp_path) as (number, _pid):
        assert "Profile: career" in stage.ask("/profile", CAREER).text
        cron.move(number, -5)
        wait_until(lambda: out_of_reach(cron, number))
        said = hermes(stage, "cron", "run", number)
        assert "already being fired" in said
        hermes(stage, "cron", "tick")
        assert len(cron.runs(number)) == 1
    stage.wait_settled("career")
    assert [run["status"] for run in cron.runs(number)] == ["completed"]
    assert begun(tmp_path).count("begun") == 1
    job = cron.job(number)
    assert job is not None
    assert job["fire_claim"] is None


def test_the_title_of_a_process_that_runs_a_job_names_the_job(
    stage: Stage, cron: CronStore, tmp_path: Path
) -> None:
    with running_job(cron, tmp_path) as (number, pid):
        named = f" cron:{number}"
        wait_until(lambda: sum(title.endswith(named) for title in stage.titles("career")) == 2)
        titles = sorted(title for title in stage.titles("career") if title.endswith(named))
        runner = " ".join(psutil.Process(pid).cmdline()).strip()
    stage.wait_settled("career")
    begin = next(line for line in stage.worker_log("career").splitlines() if named[1:] in line)
    turn = begin.split(" turn=")[1].split()[0]
    assert titles == [f"job {turn}{named}", f"supervisor {turn}{named}"]
    assert runner == f"hermes_router_worker -p career job {turn}{named}"


def test_a_job_that_another_hermes_runs_is_left_alone(
    stage: Stage, cron: CronStore, tmp_path: Path
) -> None:
    number = cron.add_script("elsewhere", BLOCKING.format(folder=tmp_path), due=3600)
    other = start_hermes(stage, "cron", "run", number)
    try:
        wait_until(lambda: begun(tmp_path) != "")
        cron.move(number, -5)
        wait_until(lambda: f"job=cron:{number} outcome=busy" in stage.worker_log("career"))
    finally:
        cron.move(number, 3600)
        (tmp_path / "go").touch()
        other.wait(200)
    assert begun(tmp_path).count("begun") == 1


def test_a_job_whose_process_is_killed_is_recorded_as_failed_and_not_run_again(
    stage: Stage, cron: CronStore, tmp_path: Path
) -> None:
    with running_job(cron, tmp_path) as (number, pid):
        os.kill(pid, signal.SIGKILL)
        runs = cron.wait_run(number)
    stage.wait_settled("career")
    assert [run["status"] for run in runs] == [DIED]
    assert "SIGKILL" in runs[0]["error"]
    job = cron.job(number)
    assert job is not None
    assert job["last_status"] == "error"
    assert "SIGKILL" in job["last_error"]
    assert due_later(cron, number)
    assert begun(tmp_path).count("begun") == 1


def origin(thread: int, chat: int = FORUM) -> dict[str, str]:
    """Return a job's origin as the tool `cronjob` notes it in a topic."""
    return {"platform": "telegram", "chat_id": str(chat), "thread_id": str(thread)}


def test_a_job_made_in_a_topic_is_answered_there_by_the_profiles_model(
    stage: Stage, cron: CronStore
) -> None:
    call = {"action": "create", "name": "brief", "schedule": "every 2h", "prompt": "the brief"}
    stage.ask(tool(CRON_TOOL, **call), CAREER)
    (job,) = (job for job in cron.jobs() if job["name"] == "brief")
    assert job["origin"]["thread_id"] == str(CAREER)
    seq, asked = stage.telegram.seq, stage.model.seq
    cron.move(job["id"], -5)
    answer = stage.telegram.wait_reply(FORUM, CAREER, contains="the brief", after=seq, timeout=150)
    assert "Cronjob Response: brief" in answer.text
    (request,) = stage.model.requests("chat", after=asked)
    assert (request.model, request.api_key) == ("career-model", "career-key")
    removal = json.dumps({"action": "remove", "job_id": job["id"]})
    stage.ask(f"[[tool {CRON_TOOL} {removal}]]", CAREER, contains="removed")
    assert cron.job(job["id"]) is None


def test_an_automation_that_is_accepted_in_a_topic_becomes_the_profiles_job(
    stage: Stage, cron: CronStore
) -> None:
    before = {job["id"] for job in cron.jobs()}
    stage.ask("/suggestions catalog", CAREER)
    stage.ask("/suggestions accept 1", CAREER)
    (job,) = (job for job in cron.jobs() if job["id"] not in before)
    assert job["origin"]["thread_id"] == str(CAREER)
    cron.remove(job["id"])


def test_a_job_may_have_a_model_of_its_own(stage: Stage, cron: CronStore) -> None:
    asked = stage.model.seq
    number = cron.add("own model", due=-5, model="special-model")
    cron.wait_run(number)
    assert [request.model for request in stage.model.requests("chat", after=asked)] == [
        "special-model"
    ]


def test_what_a_jobs_script_prints_its_model_reads(stage: Stage, cron: CronStore) -> None:
    cron.remove(cron.add_script("reader", 'echo "printed as $MARK"', due=3600))
    asked = stage.model.seq
    cron.wait_run(cron.add("reads it", due=-5, script="reader.sh"))
    (request,) = stage.model.requests("chat", after=asked)
    assert "printed as career" in request.last_user
    assert "do reads it" in request.last_user


def test_a_failure_is_told_in_the_topic(stage: Stage, cron: CronStore) -> None:
    seq = stage.telegram.seq
    cron.add_script("broken", "echo oh no; exit 3", due=-5, deliver="origin", origin=origin(CAREER))
    answer = stage.telegram.wait_reply(FORUM, CAREER, contains="broken", after=seq, timeout=150)
    assert "oh no" in answer.text


def test_a_job_whose_process_dies_is_told_in_the_topic(
    stage: Stage, cron: CronStore, tmp_path: Path
) -> None:
    seq = stage.telegram.seq
    delivery = {"deliver": "origin", "origin": origin(CAREER)}
    with running_job(cron, tmp_path, **delivery) as (_number, pid):
        os.kill(pid, signal.SIGKILL)
        answer = stage.telegram.wait_reply(FORUM, CAREER, contains="long", after=seq, timeout=150)
    assert "SIGKILL" in answer.text


def test_media_of_a_job_goes_to_the_topic_as_a_file(
    stage: Stage, cron: CronStore, tmp_path: Path
) -> None:
    seq = stage.telegram.seq
    file = cron.home / "workspace" / "chart.pdf"
    file.write_bytes(b"%PDF-1.4 chart")
    code = f"echo 'the chart'; echo 'MEDIA:{file}'"
    cron.add_script("chart", code, due=-5, deliver="origin", origin=origin(CAREER))
    call = stage.telegram.wait_call("sendDocument", after=seq, timeout=150)
    assert call.params["message_thread_id"] == CAREER


def test_a_target_that_is_not_the_profiles_is_refused_and_noted(
    stage: Stage, cron: CronStore
) -> None:
    seq = stage.telegram.seq
    target = f"telegram:{FORUM}:{SYSTEMS}"
    number = cron.add_script("elsewhere", "echo for others", due=-5, deliver=target)
    cron.wait_run(number)
    job = cron.job(number)
    assert job is not None
    assert "may not send" in job["last_delivery_error"]
    assert job["last_status"] in {"ok", "delivery_failed"}  # the latter from 0.22 on
    stage.gateway.wait_log(f"'elsewhere' ({number})", log="agent.log")
    sent = stage.telegram.calls("sendMessage", after=seq)
    assert not any("for others" in str(call.params) for call in sent)


def test_a_lost_topic_is_noted_and_nothing_goes_to_the_chat(stage: Stage, cron: CronStore) -> None:
    stage.telegram.add_topic(GONE, "gone")
    stage.telegram.delete_topic(GONE)
    number = cron.add_script(
        "homeless", "echo for nobody", due=-5, deliver="origin", origin=origin(GONE)
    )
    cron.wait_run(number)
    job = cron.job(number)
    assert job is not None
    assert "thread not found" in job["last_delivery_error"].lower()
    delivered = [m for m in stage.telegram.transcript(FORUM) if "for nobody" in m.text]
    assert delivered == []


def test_a_profile_without_jobs_costs_no_process(stage: Stage) -> None:
    assert "cron:" not in stage.worker_log("systems")


OWN_TOKEN = "7654321:the-profiles-own-bot_BBBBBBBBBBBBBBBB"


@contextmanager
def own_gateway(stage: Stage, cron: CronStore, log: Path) -> Iterator[None]:
    """Run the profile's own gateway, with a bot of its own; its first look for jobs is over."""
    looked = cron.path.parent / "ticker_last_success"
    looked.unlink(missing_ok=True)
    # Hermes 0.22 starts a gateway of one profile only where this is set.
    stage.root.profiles["career"].configure({"gateway": {"standalone": True}})
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "hermes_cli.main", "-p", "career", "gateway", "run"],
            env=stage.root.gateway_environ(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(looked.exists, 120)
        yield
    finally:
        process.terminate()
        process.wait(200)


@pytest.mark.timeout(400)
def test_a_job_runs_once_beside_a_gateway_of_the_profiles_own(
    stage: Stage, cron: CronStore, tmp_path: Path
) -> None:
    extra = {"base_url": stage.telegram.base_url, "base_file_url": stage.telegram.file_url}
    bot = {"token": OWN_TOKEN, "enabled": True, "extra": extra}
    stage.root.profiles["career"].configure({"platforms": {"telegram": bot}})
    log, folder = tmp_path / "own.log", tmp_path / "theirs"
    folder.mkdir()
    stage.gateway.stop()
    number = cron.add_script("theirs", BLOCKING.format(folder=folder), due=-5)
    with own_gateway(stage, cron, log):
        wait_until(lambda: begun(folder) != "", 120)
        stage.gateway.start()
        cron.move(number, -5)
        wait_until(lambda: f"job=cron:{number} outcome=busy" in stage.worker_log("career"), 120)
        cron.move(number, 3600)
        (folder / "go").touch()
        cron.wait_run(number)
    assert begun(folder).count("begun") == 1, log.read_text()
    with running_job(cron, tmp_path) as (number, _pid):
        cron.move(number, -5)
        wait_until(lambda: out_of_reach(cron, number))
        with own_gateway(stage, cron, log):
            assert begun(tmp_path).count("begun") == 1, log.read_text()
            (tmp_path / "go").touch()
            assert [run["status"] for run in cron.wait_run(number)] == ["completed"]
    assert begun(tmp_path).count("begun") == 1, log.read_text()
