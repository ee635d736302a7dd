"""A line that the database refuses is in the session's transcript once the database takes it.

Each worker is a fresh store of sessions on the same home.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gateway.config import GatewayConfig, Platform
from gateway.session import SessionSource, SessionStore, build_session_key
from hermes_state import SessionDB

from hermes_router_worker.hermes.session import transcripts
from hermes_router_worker.home import lock
from hermes_router_worker.home.lock import acquire, open_lock
from hermes_router_worker.home.transcripts import guard_transcripts, take_back_all, take_back_first

SOURCE = SessionSource(
    platform=Platform("telegram"), chat_id="-100", chat_type="group", user_id="7", thread_id="6"
)
KEY = build_session_key(SOURCE)

since_0_21 = pytest.mark.skipif(
    not hasattr(SessionStore, "_spool_stalled_backlog"),
    reason="this Hermes keeps such lines in no files",
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def worker(home: Path) -> Any:
    """Make another worker's runner, as far as it keeps transcripts."""

    def made() -> Any:
        store = SessionStore(home / "sessions", GatewayConfig())
        guard_transcripts(store, home)
        return SimpleNamespace(session_store=store, config=SimpleNamespace())

    return made


def write(runner: Any, *lines: str) -> None:
    store = runner.session_store
    session = store.get_or_create_session(SOURCE).session_id
    for line in lines:
        store.append_to_transcript(session, {"role": "user", "content": line})


def refuse(runner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the database refuse what this worker writes from now on."""

    def locked(*_args: Any) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(runner.session_store, "_append_transcript_message", locked)


def take_back(runner: Any) -> None:
    """Do as a worker does before it reads its first message."""
    asyncio.run(take_back_first(runner, KEY, 60.0))


def lines(runner: Any) -> list[str]:
    store = runner.session_store
    rows = store.load_transcript(store.get_or_create_session(SOURCE).session_id)
    return "\n\n".join(row["content"] for row in rows).split("\n\n")  # Hermes joins neighbours


def left(worker: Any, monkeypatch: pytest.MonkeyPatch, *refused: str) -> None:
    """Leave what a worker leaves that ends when the database has refused some lines."""
    first = worker()
    write(first, "one")
    refuse(first, monkeypatch)
    write(first, *refused)
    transcripts.spool(first.session_store)


@since_0_21
def test_the_sessions_next_worker_writes_it_before_its_own(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(worker, monkeypatch, "two", "three")
    second = worker()
    assert lines(second) == ["one"]
    take_back(second)
    assert lines(second) == ["one", "two", "three"]
    write(second, "four")
    assert lines(worker()) == ["one", "two", "three", "four"]


@since_0_21
def test_what_the_database_still_refuses_comes_before_the_next_line_that_it_takes(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(worker, monkeypatch, "two")
    second = worker()
    with monkeypatch.context() as broken:
        refuse(second, broken)
        take_back(second)
    assert lines(second) == ["one"]
    write(second, "three")
    assert lines(second) == ["one", "two", "three"]


@since_0_21
def test_a_maintenance_writes_it_where_the_session_has_no_later_worker(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(worker, monkeypatch, "two")
    upkeep = worker()
    assert take_back_all(upkeep) == 1
    assert lines(upkeep) == ["one", "two"]
    take_back(upkeep)
    assert take_back_all(upkeep) == 0
    assert lines(upkeep) == ["one", "two"]


@since_0_21
@pytest.mark.parametrize("by", ["the next worker", "a maintenance"])
def test_nobody_else_takes_it_back_meanwhile(
    home: Path, worker: Any, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    left(worker, monkeypatch, "two")
    taking, refused = worker(), []
    write_line = SessionDB.append_message

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        with open_lock(home / "hermes-router" / "transcripts.lock") as other:
            refused.append(acquire(other, 0.0))
        return write_line(*args, **kwargs)

    monkeypatch.setattr(SessionDB, "append_message", meanwhile)
    if by == "a maintenance":
        take_back_all(taking)
    else:
        take_back(taking)
    assert refused == [False]
    assert lines(taking) == ["one", "two"]


@since_0_21
def test_a_maintenance_leaves_it_to_a_worker_that_takes_it_back(
    home: Path, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(worker, monkeypatch, "two")
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.0)
    with open_lock(home / "hermes-router" / "transcripts.lock") as other:
        assert acquire(other)
        assert take_back_all(worker()) == 0
    assert take_back_all(worker()) == 1


def test_what_no_file_takes_is_said_in_the_log(
    home: Path, worker: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (home / "pending_messages").write_text("in the way of the folder")
    with caplog.at_level(logging.ERROR):
        left(worker, monkeypatch, "two", "three")
    assert "2 lines of session" in caplog.text


def test_a_home_without_such_lines_gets_no_folder(home: Path, worker: Any) -> None:
    write(worker(), "one")
    transcripts.spool(worker().session_store)
    assert take_back_all(worker()) == 0
    assert not (home / "pending_messages").exists()


@since_0_21
def test_a_line_waits_for_the_worker_that_writes_those_before_it(
    worker: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(worker, monkeypatch, "two")
    monkeypatch.setattr(lock, "_PATIENCE", 0.05, raising=False)
    second = worker()
    with open_lock(home / "hermes-router" / "transcripts.lock") as held:
        assert acquire(held)
        take_back(second)
        write(second, "three")
        assert lines(second) == ["one"]
    write(second, "four")
    assert lines(worker()) == ["one", "two", "three", "four"]
