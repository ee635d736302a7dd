"""Replies that Hermes owes, in the ledger of a home."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def obligations(home: Path, state: str) -> None:
    """Make the ledger of replies in a home, with one reply in this state.

    It has only the columns ``state`` and ``attempts`` of Hermes's ledger.
    """
    with closing(sqlite3.connect(home / "state.db")) as database, database:
        database.execute("CREATE TABLE delivery_obligations (state TEXT, attempts INTEGER)")
        database.execute("INSERT INTO delivery_obligations VALUES (?, 0)", (state,))
