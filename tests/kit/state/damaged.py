"""Damage in a profile's database, of which Hermes says that the conversation cannot be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def unreadable_messages(home: Path, words: str) -> Iterator[None]:
    """Make the messages that contain these words no text in UTF-8 while the block runs."""
    found = _run(home, "SELECT id, content FROM messages WHERE content LIKE ?", f"%{words}%")
    assert found, f"no message contains {words!r}"
    for number, _content in found:
        _run(home, "UPDATE messages SET content = CAST(x'C3' AS TEXT) WHERE id = ?", number)
    try:
        yield
    finally:
        for number, content in found:
            _run(home, "UPDATE messages SET content = ? WHERE id = ?", content, number)


def _run(home: Path, statement: str, *values: object) -> list[tuple[int, str]]:
    with closing(sqlite3.connect(home / "state.db", timeout=30)) as database, database:
        return database.execute(statement, values).fetchall()
