"""When sessions want to be woken, as the gateway keeps it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hermes_router.jobs.wakeups import RETRY, SHORTEST, Wakeups

SOURCE = {"platform": "telegram", "chat_id": "-100", "thread_id": "6"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "wakeups.json"


def test_the_next_one_comes_first_and_all_outlive_the_gateway(file: Path) -> None:
    kept, now = Wakeups(file), time.time()
    kept.note("career", "late", SOURCE, now + 900)
    kept.note("systems", "soon", SOURCE, now + 90)
    assert [(w.profile, w.key, w.source) for w in Wakeups(file).all()] == [
        ("systems", "soon", SOURCE),
        ("career", "late", SOURCE),
    ]


def test_a_session_without_a_next_time_is_forgotten(file: Path) -> None:
    kept = Wakeups(file)
    kept.note("career", "one", SOURCE, None)
    assert not file.exists()  # most sessions never had one: nothing is written for them
    kept.note("career", "one", SOURCE, time.time() + 90)
    kept.note("career", "one", SOURCE, None)
    assert Wakeups(file).all() == []


def test_a_worker_cannot_have_itself_woken_without_a_pause(file: Path) -> None:
    kept, now = Wakeups(file), time.time()
    kept.note("career", "one", SOURCE, now - 1000)
    assert kept.all()[0].at >= now + SHORTEST
    kept.put_off(kept.all()[0])
    assert kept.all()[0].at >= now + RETRY


def test_one_profile_cannot_fill_the_file(file: Path) -> None:
    kept, now = Wakeups(file), time.time()
    for number in range(210):
        kept.note("career", f"session {number}", SOURCE, now + 1000 - number)
    kept.note("systems", "mine", SOURCE, now + 9999)
    found = kept.all()
    assert len(found) == 201
    assert found[-1].profile == "systems"
    assert {w.key for w in found} >= {"session 209", "session 10"}


def test_a_time_that_was_noted_by_a_clock_that_was_ahead_is_no_further_away_than_it_was_then(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time", lambda: now + 3 * 24 * 3600)
        kept = Wakeups(file)
        kept.note("career", "one", SOURCE, time.time() + 90)
        kept.put_off(kept.all()[0])
    monkeypatch.setattr(time, "time", lambda: now)
    for again in (kept, Wakeups(file)):
        assert again.all()[0].at == pytest.approx(now + RETRY)
    monkeypatch.setattr(time, "time", lambda: now + RETRY - 1)
    assert kept.all()[0].at == pytest.approx(now + RETRY), "it moves with the clock"
