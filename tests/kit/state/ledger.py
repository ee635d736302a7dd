"""Replies that Hermes owes, in the ledger of a home."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

_COLUMNS = (
    "session_key, platform, chat_id, thread_id, content, state, attempts, created_at, updated_at"
)


def obligations(home: Path, state: str) -> None:
    """Make Hermes's ledger of replies in a home, with one reply in the state ``state``.

    It has only some columns of Hermes's ledger. The reply is for topic 6 of the chat -100, in the
    session ``key``, and its time is one minute from now.
    """
    soon = time.time() + 60
    row = ("key", "telegram", "-100", "6", "owed", state, 0, soon, soon)
    with closing(sqlite3.connect(home / "state.db")) as database, database:
        database.execute(f"CREATE TABLE delivery_obligations ({_COLUMNS})")
        database.execute("INSERT INTO delivery_obligations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
