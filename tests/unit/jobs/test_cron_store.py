"""When a profile wants a job worker: decided from what Hermes keeps in its home."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hermes_router.jobs import cron_store
from hermes_router.profiles.small_file import read_small

NOW = 1_800_000_000.0
HOURLY = {"kind": "interval", "minutes": 60}


def at(seconds: float) -> str:
    """Return the time so many seconds from now, as Hermes writes it."""
    return datetime.fromtimestamp(NOW + seconds, UTC).isoformat()


def due(**record: Any) -> float | None:
    """Return in how many seconds a job is due."""
    moment = cron_store.due_time({"id": "a", "schedule": HOURLY} | record, NOW)
    return None if moment is None else moment - NOW


def test_a_job_is_due_at_its_next_run_however_long_ago_that_was() -> None:
    assert due(next_run_at=at(90)) == 90
    assert due(next_run_at=at(-10 * 86400)) == -10 * 86400


def test_a_disabled_job_is_never_due() -> None:
    assert due(next_run_at=at(-5), enabled=False) is None


@pytest.mark.parametrize("broken", [None, "soon", 17, "2026-13-40"])
def test_a_recurring_job_without_a_usable_next_run_is_hermes_to_mend_now(broken: object) -> None:
    assert due(next_run_at=broken) == 0
    assert due(next_run_at=broken, schedule={"kind": "cron", "expr": "* * * * *"}) == 0
    assert due(next_run_at=broken, schedule=None) is None


def test_a_one_time_job_without_a_next_run_has_its_grace() -> None:
    assert due(schedule={"kind": "once", "run_at": at(-100)}) == -100
    assert due(schedule={"kind": "once", "run_at": at(-130)}) is None
    assert due(schedule={"kind": "once", "run_at": at(-100)}, last_run_at=at(-50)) is None


def test_a_one_time_job_that_somebody_runs_is_left_until_its_claim_is_old() -> None:
    once = {"schedule": {"kind": "once", "run_at": at(-9)}, "next_run_at": at(-9)}
    assert due(**once, run_claim={"at": at(-60), "by": "x"}) == cron_store.CLAIM_SECONDS - 60
    assert due(**once, run_claim={"at": at(-cron_store.CLAIM_SECONDS - 1), "by": "x"}) == -9
    assert due(**once, run_claim={"at": at(60), "by": "a clock ahead"}) == -9
    assert due(next_run_at=at(-9), run_claim={"at": at(-60), "by": "of a recurring job"}) == -9


def test_a_run_that_was_planned_past_and_never_begun_is_taken_up() -> None:
    """Its process died in between; Hermes 0.22 notes the run in the job until it begins."""
    slot = {"scheduled_at": at(-120), "at": at(-100), "by": "a dead process"}
    assert due(next_run_at=at(3500), pending_slot=slot) == cron_store.SLOT_SECONDS - 100
    assert due(next_run_at=at(-9000), pending_slot=slot) == -9000
    assert due(next_run_at=at(3500), pending_slot=slot | {"scheduled_at": "soon"}) == 3500
    assert due(next_run_at=at(3500), pending_slot=slot | {"at": None}) == 3500
    once = {"schedule": {"kind": "once", "run_at": at(3500)}}
    assert due(**once, next_run_at=at(3500), pending_slot=slot) == 3500


def test_a_time_without_a_zone_is_local() -> None:
    local = datetime.fromtimestamp(NOW).isoformat()  # noqa: DTZ006 - that is the point
    assert due(next_run_at=local) == 0


def test_a_store_is_read_in_each_shape_that_hermes_reads() -> None:
    record = {"job_id": "old", "name": "x", "schedule": HOURLY, "next_run_at": at(5)}
    for data in ({"jobs": [record, "nonsense", {"enabled": False}]}, [record]):
        content = b"\xef\xbb\xbf" + json.dumps(data).encode()
        (job,) = cron_store.parse_store(content, NOW)
        assert (job.id, job.name, job.due) == ("old", "x", NOW + 5)


@pytest.mark.parametrize("content", [b"", b"{", b"7", b'{"jobs": 3}', b"\xff\xfe"])
def test_a_store_that_is_none_is_an_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        cron_store.parse_store(content, NOW)


def test_a_jobs_state_changes_when_hermes_has_acted_on_it() -> None:
    def state(**record: Any) -> str:
        data = [{"id": "a", "schedule": {"kind": "once"}, "next_run_at": at(5)} | record]
        return cron_store.parse_store(json.dumps(data).encode(), NOW)[0].state

    assert state() != state(next_run_at=at(6))
    assert state() != state(run_claim={"at": at(-1), "by": "x"})
    assert state() == state(last_error="something")


def test_only_a_regular_file_of_a_sane_size_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    assert read_small(tmp_path / "file") == b"12345"
    for name, most in (("file", 4), ("link", 100), ("pipe", 100), ("absent", 100), (".", 100)):
        with pytest.raises(OSError, match=r".*"):
            read_small(tmp_path / name, most)
