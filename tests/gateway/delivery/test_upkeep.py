"""What a gateway of its own would do in a home by the clock, for a profile that has none."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from gateway.config import GatewayConfig

from tests.gateway.conftest import CAREER, Stage, build_stage, start_cold
from tests.kit import FORUM, FakeModel, FakeTelegram
from tests.kit.outside.portal import FakePortal
from tests.kit.state import memory_keeper
from tests.kit.state.cron_store import CronStore, begun, moment, running_job
from tests.kit.waiting import wait_until

DAY = 86_400

ENDS_BY_CLOCK = hasattr(GatewayConfig, "get_reset_policy")
"""Whether Hermes ends a session that is idle; from 0.21.5 on it lasts."""


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory,
    telegram: FakeTelegram,
    model: FakeModel,
    portal: FakePortal,
) -> Stage:
    stage = start_cold(build_stage(tmp_path_factory.mktemp("stage"), telegram, model), "systems")
    career = {"jobs": {"upkeep": True}}
    schedule = {"cron": 0.2, "upkeep": 0.1}
    stage.root.configure({"hermes_router": {"schedule": schedule, "profiles": {"career": career}}})
    stage.root.configure({"agent": {"restart_drain_timeout": 1}})
    reset = {"mode": "idle", "idle_minutes": 60}
    prune = {"auto_prune": True, "retention_days": 30, "min_interval_hours": 24}
    home = stage.root.profiles["career"]
    home.configure({"session_reset": reset, "sessions": prune, "memory": {"provider": "keeper"}})
    home.configure({"checkpoints": {"auto_prune": True}})
    home.configure({"approvals": {"destructive_slash_confirm": False}})
    home.env({"NOUS_PORTAL_BASE_URL": portal.origin})
    memory_keeper.install(home.path)
    return stage


@pytest.fixture(scope="module")
def used(stage: Stage) -> Path:
    """The home of the profile that is tended, after its first turn and its first upkeep."""
    path = stage.root.profiles["career"].path
    stage.ask("first words", CAREER, contains="first words")
    wait_until((path / "hermes-router" / "upkeep.json").exists)
    return path


def note(home: Path) -> dict[str, Any]:
    """Return what the last upkeep has left."""
    content: dict[str, Any] = json.loads((home / "hermes-router" / "upkeep.json").read_text())
    return content


def upkeep(stage: Stage, home: Path) -> dict[str, Any]:
    """Move the next upkeep to now, wait for its end, and return its note."""
    stage.wait_settled("career")
    path = home / "hermes-router" / "upkeep.json"
    path.write_text(json.dumps({"at": 0, "next": 0, "patience": None}))
    wait_until(lambda: note(home)["at"] > 0)
    stage.wait_settled("career")
    return note(home)


def routing(home: Path, **changes: Any) -> list[dict[str, Any]]:
    """Return the rows of the sessions, changed if wanted, of all scopes."""
    with closing(sqlite3.connect(home / "state.db", timeout=20)) as database, database:
        rows = database.execute("SELECT rowid, entry_json FROM gateway_routing").fetchall()
        entries = []
        for number, text in rows:
            entries.append(json.loads(text) | changes)
            database.execute(
                "UPDATE gateway_routing SET entry_json=? WHERE rowid=?",
                (json.dumps(entries[-1]), number),
            )
    return entries


def owe(home: Path, state: str, text: str, pid: int = 2**22 + 1) -> None:
    """Write a reply that a dead process owes into the ledger."""
    now = time.time()
    with closing(sqlite3.connect(home / "state.db", timeout=20)) as database, database:
        database.execute(
            "INSERT INTO delivery_obligations (obligation_id, session_key, platform, chat_id, "
            "thread_id, content, state, created_at, updated_at, owner_pid, owner_started_at) "
            "VALUES (?,?,?,?,?,?,?,?,?,?,1)",
            (text, "", "telegram", str(FORUM), str(CAREER), text, state, now, now, pid),
        )


def age_by(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def paste(name: str, expires_in: float) -> dict[str, Any]:
    return {"url": f"http://127.0.0.1:1/{name}", "expire_at": time.time() + expires_in}


def log_in(home: Path, state: dict[str, Any]) -> None:
    """Log a profile in where its model is not: Hermes keeps such a login alive."""
    content = {"version": 1, "providers": {"nous": state}}
    (home / "auth.json").write_text(json.dumps(content), "utf-8")


@pytest.fixture(scope="module")
def tended(stage: Stage, used: Path, portal: FakePortal) -> Path:
    """The home after an upkeep that had everything to do."""
    assert upkeep(stage, used)["next"] > time.time() + 3000
    assert not any(entry["expiry_finalized"] for entry in routing(used))
    old = (datetime.now() - timedelta(minutes=61)).isoformat()  # noqa: DTZ005 - Hermes's way
    routing(used, updated_at=old)
    for cache in (used / "cache" / "images", used / "cache" / "documents"):
        cache.mkdir(parents=True, exist_ok=True)
        for name, age in (("old", 2 * DAY), ("young", 60)):
            (cache / name).write_bytes(b"x")
            age_by(cache / name, age)
    for name, age in (("legacy-old", 60 * DAY), ("legacy-young", 60)):
        (used / "checkpoints" / name).mkdir(parents=True)
        age_by(used / "checkpoints" / name, age)
    # Hermes forgets a paste that it cannot delete a day after its end: these have no server.
    (used / "pastes").mkdir()
    pastes = [paste("expired", -2 * DAY), paste("lasting", DAY)]
    (used / "pastes" / "pending.json").write_text(json.dumps(pastes))
    log_in(used, portal.login("career"))
    long_ago = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    (used / "skills" / ".curator_state").write_text(json.dumps({"last_run_at": long_ago}))
    upkeep(stage, used)
    return used


def test_a_session_ends_by_the_clock_where_hermes_ends_it(stage: Stage, tended: Path) -> None:
    assert {entry["expiry_finalized"] for entry in routing(tended)} == {ENDS_BY_CLOCK}
    if ENDS_BY_CLOCK:
        wait_until(lambda: "sessions: 1" in stage.root.log("agent.log"))  # a thread writes it


def handed_over(home: Path) -> list[dict[str, Any]]:
    """Return what the memory provider was given at the ends of sessions."""
    file = home / "kept.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_what_was_said_is_handed_to_the_memory_provider_when_the_session_ends(
    tended: Path,
) -> None:
    said = [kept["said"] for kept in handed_over(tended)]
    assert len(said) == ENDS_BY_CLOCK
    assert all("first words" in words for (words,) in said)


def test_what_was_said_is_handed_to_the_memory_provider_when_a_new_session_is_wanted(
    stage: Stage, tended: Path
) -> None:
    before = len(handed_over(tended))
    stage.ask("words to keep", CAREER, contains="words to keep")
    stage.ask("/new", CAREER)
    stage.wait_settled("career")
    (kept,) = handed_over(tended)[before:]
    assert "words to keep" in kept["said"][-1]
    assert kept["of"]["session"] not in {row["session_id"] for row in routing(tended)}
    assert kept["of"]["thread_id"] == str(CAREER)


def test_old_files_leave_the_caches_and_young_ones_stay(tended: Path) -> None:
    for kind in ("images", "documents"):
        assert [path.name for path in (tended / "cache" / kind).iterdir()] == ["young"]
    assert note(tended)["next"] <= time.time() + DAY


def test_the_curator_works_when_its_interval_is_over(tended: Path) -> None:
    state = json.loads((tended / "skills" / ".curator_state").read_text())
    assert datetime.fromisoformat(state["last_run_at"]) > datetime.now(UTC) - timedelta(hours=1)


def test_what_hermes_prunes_at_its_start_is_pruned(tended: Path) -> None:
    with closing(sqlite3.connect(tended / "state.db", timeout=20)) as database:
        query = "SELECT value FROM state_meta WHERE key='last_auto_prune'"
        (last,) = database.execute(query).fetchone()
    assert float(last) > 0
    assert (tended / "checkpoints" / ".last_prune").exists()
    assert [path.name for path in (tended / "checkpoints").glob("legacy-*")] == ["legacy-young"]


def test_pastes_that_have_expired_are_forgotten(tended: Path) -> None:
    kept = json.loads((tended / "pastes" / "pending.json").read_text())
    assert [entry["url"].rsplit("/")[-1] for entry in kept] == ["lasting"]


def test_a_login_of_the_profile_is_kept_alive(tended: Path, portal: FakePortal) -> None:
    assert set(portal.refreshed) == {"career"}
    assert portal.reused == []
    state = json.loads((tended / "auth.json").read_text())["providers"]["nous"]
    assert portal.accepts(state["refresh_token"])


def test_an_owed_reply_is_sent_once_and_marked_where_it_may_be_a_second_one(
    stage: Stage, used: Path
) -> None:
    seq = stage.telegram.seq
    owe(used, "pending", "never sent")
    owe(used, "attempting", "perhaps sent")
    upkeep(stage, used)
    plain = stage.telegram.wait_reply(FORUM, CAREER, contains="never sent", after=seq)
    marked = stage.telegram.wait_reply(FORUM, CAREER, contains="perhaps sent", after=seq)
    assert "Recovered" not in plain.text
    assert "Recovered" in marked.text
    seq = stage.telegram.seq
    upkeep(stage, used)
    assert stage.telegram.calls("sendMessage", after=seq) == []


def test_nothing_is_started_while_nothing_is_to_do(stage: Stage, used: Path) -> None:
    upkeep(stage, used)
    before = stage.worker_log("career").count("session=upkeep")
    cron = CronStore(used)  # a job's end proves that the gateway has looked in between
    number = cron.add_script("witness", "true", due=-5)
    cron.wait_run(number)
    stage.wait_settled("career")
    assert stage.worker_log("career").count("session=upkeep") == before
    assert "session=upkeep" not in stage.worker_log("systems")


def origin(topic: int) -> dict[str, str]:
    return {"platform": "telegram", "chat_id": str(FORUM), "thread_id": str(topic)}


def test_a_job_ends_with_its_gateway_and_that_is_told_when_it_is_back(
    stage: Stage, used: Path, tmp_path: Path
) -> None:
    cron = CronStore(used)
    with running_job(cron, tmp_path, deliver="origin", origin=origin(CAREER)) as (number, _pid):
        stage.gateway.stop()
        assert stage.gateway.leftovers() == []
        job = cron.job(number)
        assert job is not None
        assert job["last_status"] == "error"
        assert datetime.fromisoformat(job["next_run_at"]) > datetime.now(UTC)
        assert "gateway shutdown" in job["last_error"]
    seq = stage.telegram.seq
    stage.gateway.start()
    answer = stage.telegram.wait_reply(FORUM, CAREER, contains="long", after=seq, timeout=150)
    assert "gateway shutdown" in answer.text
    assert begun(tmp_path).count("begun") == 1


def tended_since(stage: Stage, before: int) -> bool:
    """Say whether an upkeep was done since then, and all that began since then is over.

    What a killed gateway had begun has no end in the log.
    """
    log = stage.worker_log("career")[before:]
    over = log.count(" hermes-router begin ") == log.count(" hermes-router end ")
    return over and "job=upkeep outcome=done" in log


def cut_off_once(stage: Stage, cron: CronStore, folder: Path, end: Callable[[], object]) -> str:
    """Have a one-time job run, end the gateway meanwhile, and return what its topic hears later."""
    delivery = {"deliver": "origin", "origin": origin(CAREER), "kind": "once"}
    seq = stage.telegram.seq
    with running_job(cron, folder, **delivery):
        end()
        stage.gateway.wait_no_leftovers()
    before = len(stage.worker_log("career"))
    stage.gateway.start()
    try:
        told = stage.telegram.wait_reply(FORUM, CAREER, contains="long", after=seq, timeout=150)
    finally:
        assert begun(folder).count("begun") == 1
    wait_until(lambda: tended_since(stage, before), 120)
    said = [m.text for m in stage.telegram.transcript(FORUM, CAREER) if m.seq > seq]
    assert sum("long" in text for text in said) == 1, said
    return told.text


def test_a_one_time_job_that_a_stop_cuts_off_is_told(
    stage: Stage, used: Path, tmp_path: Path
) -> None:
    told = cut_off_once(stage, CronStore(used), tmp_path, stage.gateway.stop)
    assert "gateway shutdown" in told


def test_a_one_time_job_whose_gateway_is_killed_is_told(
    stage: Stage, used: Path, tmp_path: Path
) -> None:
    told = cut_off_once(stage, CronStore(used), tmp_path, stage.gateway.kill)
    assert "gateway shutdown" in told


def kill_everything(stage: Stage) -> None:
    """Kill the gateway and all that it started, as a crash of the machine would."""
    gateway = psutil.Process(stage.gateway.pid)
    gateway.suspend()
    stopped: set[psutil.Process] = set()
    while found := set(gateway.children(recursive=True)) - stopped:  # none sees another's end
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        stopped |= found
    for process in stopped:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    stage.gateway.kill()


def test_a_one_time_job_that_is_killed_with_everything_is_told(
    stage: Stage, used: Path, tmp_path: Path
) -> None:
    cron = CronStore(used)
    before = {job["id"] for job in cron.jobs()}
    told = cut_off_once(stage, cron, tmp_path, lambda: kill_everything(stage))
    assert "it was killed, or its gateway or machine was" in told
    # The notice comes first, so that it is not lost; then the job is taken out.
    wait_until(lambda: not any(j["enabled"] for j in cron.jobs() if j["id"] not in before), 120)


def test_a_one_time_job_whose_run_had_not_begun_is_run_after_all(
    stage: Stage, used: Path, tmp_path: Path
) -> None:
    cron = CronStore(used)
    stage.gateway.stop()
    number = cron.add_script("given-back", f"echo ran >> {tmp_path}/ran", due=-5, kind="once")
    cron.move(
        number,
        -600,
        run_claim={"at": moment(-300), "by": "a dead process"},
        repeat={"times": 1, "completed": 1},
    )
    cron.claim(number)
    stage.gateway.start()
    wait_until((tmp_path / "ran").exists, 120)
    cron.wait_run(number, 2)
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert [run["status"] for run in cron.runs(number)][1:] == ["completed"]
