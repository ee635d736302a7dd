"""A worker takes what was overheard in its place, once, and what a killed one had taken."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes_router.protocol.files.observed import FOLDER
from hermes_router.state.observed import write_down
from hermes_router_worker.session import channel_context

SOURCE = {"platform": "telegram", "chat_id": "-100", "thread_id": None}


class Store:
    """Keeps what is appended, as Hermes's session store does."""

    def __init__(self) -> None:
        self.contents: list[str] = []

    def get_or_create_session(self, _source: Any) -> Any:
        return SimpleNamespace(session_id="s")

    def append_to_transcript(self, _session: str, entry: dict[str, Any]) -> None:
        self.contents.append(entry["content"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HERMES_HOME", str(tmp_path))
    monkeypatch.setattr(channel_context, "build_source", lambda fields: fields)
    return tmp_path


def take(store: Store | None = None) -> list[str]:
    store = store or Store()
    source = SimpleNamespace(**SOURCE | {"platform": SimpleNamespace(value="telegram")})
    channel_context.take_overheard(SimpleNamespace(session_store=store), source)
    return store.contents


def waiting(home: Path) -> list[Path]:
    return list(home.joinpath(*FOLDER).iterdir())


def left_behind(home: Path, content: str) -> Path:
    """Leave what a worker leaves that is killed when it has taken a message."""
    write_down(home, SOURCE, {"content": content})
    (path,) = waiting(home)
    return path.rename(path.with_suffix(".0123abcd.taken"))


def test_it_is_taken_once(home: Path) -> None:
    assert take() == []  # a home where nothing was ever overheard
    for text in ("one", "two"):
        write_down(home, SOURCE, {"content": text})
    assert take() == ["one", "two"]
    assert take() == []
    assert waiting(home) == []


def test_what_a_killed_worker_left_comes_first(home: Path) -> None:
    left_behind(home, "one")
    write_down(home, SOURCE, {"content": "two"})
    assert take() == ["one", "two"]
    assert waiting(home) == []


def test_what_a_sibling_reads_is_left_to_it(home: Path) -> None:
    path = left_behind(home, "one")
    write_down(home, SOURCE, {"content": "two"})
    with path.open("rb") as sibling:
        fcntl.flock(sibling, fcntl.LOCK_EX)
        assert take() == ["two"]
    assert waiting(home) == [path]


def test_what_cannot_be_read_is_taken_away(home: Path) -> None:
    path = left_behind(home, "one")
    path.write_text("no JSON\n")
    write_down(home, SOURCE, {"content": "two"})
    assert take() == ["two"]
    assert waiting(home) == []


def test_a_line_that_cannot_be_read_costs_that_message_only(home: Path) -> None:
    path = left_behind(home, "one")
    path.write_bytes(b"no JSON\n" + path.read_bytes() + b'{"entry": {}}\n')
    write_down(home, SOURCE, {"content": "two"})
    assert take() == ["one", "two"]
    assert waiting(home) == []


class Failing(Store):
    """Fails at one message, with an error that Hermes does not catch, or as a kill does."""

    def __init__(self, at: str, error: BaseException) -> None:
        super().__init__()
        self._at, self._error = at, error

    def append_to_transcript(self, session: str, entry: dict[str, Any]) -> None:
        if entry["content"] == self._at:
            raise self._error
        super().append_to_transcript(session, entry)


@pytest.mark.parametrize("error", [sqlite3.OperationalError("locked"), KeyboardInterrupt()])
def test_what_was_taken_before_a_failure_is_not_taken_again(
    home: Path, error: BaseException
) -> None:
    for text in ("one", "two", "three"):
        write_down(home, SOURCE, {"content": text})
    failing = Failing("two", error)
    with contextlib.suppress(KeyboardInterrupt):
        take(failing)
    assert failing.contents == ["one"]
    assert take() == ["two", "three"]
    assert waiting(home) == []
