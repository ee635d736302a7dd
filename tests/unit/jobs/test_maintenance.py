"""When a home wants upkeep, and what a dead process owes there."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hermes_router.jobs.maintenance import (
    MaintenanceNote,
    has_unfinished_work,
    parse_note,
    refused_since,
    upkeep_time,
)
from tests.kit.state.ledger import obligations

NOW = 1_800_000_000.0
DAY = 24 * 3600.0


def upkeep(
    kept: MaintenanceNote | None,
    changed: float | None,
    *,
    owed: bool = False,
    refused: float | None = None,
    now: float = NOW + 5000,
) -> float | None:
    return upkeep_time(kept, changed, now=now, interval=300, owed=owed, refused=refused)


def test_a_home_in_which_nothing_ever_happened_wants_no_upkeep() -> None:
    assert upkeep(None, None) is None


def test_a_home_that_was_used_and_never_kept_wants_it_after_the_interval() -> None:
    assert upkeep(None, NOW) == NOW + 300


def test_nothing_happens_in_a_home_where_nothing_happened_since() -> None:
    assert upkeep(MaintenanceNote(NOW, None, 3600), NOW + 5) is None
    assert upkeep(MaintenanceNote(NOW, None, 3600), NOW - 500) is None


def test_what_will_be_to_do_is_done_at_its_time_and_not_before_the_interval() -> None:
    assert upkeep(MaintenanceNote(NOW, NOW + 7000), NOW - 9) == NOW + 7000
    assert upkeep(MaintenanceNote(NOW, NOW + 1), NOW - 9) == NOW + 300


def test_a_change_is_followed_up_when_it_may_have_become_old() -> None:
    assert upkeep(MaintenanceNote(NOW, None, 3600), NOW + 100) == NOW + 3700
    assert upkeep(MaintenanceNote(NOW, NOW + 900, 3600), NOW + 100) == NOW + 900
    assert upkeep(MaintenanceNote(NOW, None, None), NOW + 100) is None


def test_what_is_owed_does_not_wait() -> None:
    assert upkeep(MaintenanceNote(NOW, NOW + 7000), NOW - 9, owed=True) == 0


def test_a_refused_reply_is_sent_again_soon_and_then_less_and_less_often() -> None:
    assert upkeep(MaintenanceNote(NOW - 900, None, 86400), NOW, refused=NOW) == NOW + 30
    assert upkeep(None, NOW, refused=NOW) == NOW + 30
    assert upkeep(MaintenanceNote(NOW + 40, None, 86400), NOW, refused=NOW) == NOW + 340
    assert upkeep(MaintenanceNote(NOW + 4000, None, 86400), NOW, refused=NOW) == NOW + 8000


def test_a_note_from_a_clock_that_was_ahead_counts_as_none() -> None:
    ahead = MaintenanceNote(NOW + 3 * DAY, NOW + 3 * DAY + 7000, 3600)
    assert upkeep(ahead, NOW, now=NOW) == NOW + 300
    assert upkeep(ahead, NOW, refused=NOW, now=NOW) == NOW + 30
    a_little = MaintenanceNote(NOW + 1, NOW + 7000)
    assert upkeep(a_little, NOW - 9, now=NOW) == NOW + 7000


def test_a_reply_that_was_refused_when_the_clock_was_ahead_is_sent_again_soon() -> None:
    ahead = NOW + 3 * DAY
    assert upkeep(MaintenanceNote(NOW, None, 86400), NOW, refused=ahead, now=NOW) == NOW + 30
    assert (upkeep(None, NOW, refused=ahead, now=NOW) or NOW) < NOW


def test_a_reply_that_the_platform_refused_is_found(tmp_path: Path) -> None:
    assert refused_since(tmp_path) is None
    obligations(tmp_path, "attempting")
    assert refused_since(tmp_path) is None
    with closing(sqlite3.connect(tmp_path / "state.db")) as database, database:
        database.execute("UPDATE delivery_obligations SET state = 'failed', updated_at = 7.5")
    assert refused_since(tmp_path) == 7.5


def test_a_reply_that_was_not_delivered_is_owed(tmp_path: Path) -> None:
    assert not has_unfinished_work(tmp_path)
    obligations(tmp_path, "pending")
    assert has_unfinished_work(tmp_path)


def test_a_reply_that_was_delivered_is_not_owed(tmp_path: Path) -> None:
    obligations(tmp_path, "delivered")
    assert not has_unfinished_work(tmp_path)


def test_a_cron_job_that_did_not_end_is_owed(tmp_path: Path) -> None:
    (tmp_path / "cron").mkdir()
    with closing(sqlite3.connect(tmp_path / "cron" / "executions.db")) as database, database:
        database.execute("CREATE TABLE executions (status TEXT)")
        database.execute("INSERT INTO executions VALUES ('running')")
    assert has_unfinished_work(tmp_path)


def test_a_database_that_is_none_owes_nothing(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"nonsense" * 500)
    os.mkfifo(tmp_path / "executions.db")
    (tmp_path / "cron").symlink_to(tmp_path)
    assert not has_unfinished_work(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"at": "x"}', b"\xff"])
def test_a_note_of_upkeep_that_is_none_counts_as_absent(content: bytes) -> None:
    assert parse_note(content) is None


def test_a_note_of_upkeep_is_read() -> None:
    assert parse_note(b'{"at": 5, "next": 7.5, "patience": null}') == MaintenanceNote(5, 7.5, None)
