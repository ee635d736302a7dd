"""Remove the sessions of a temporary conversation from the profile's home.

``python -m hermes_router_worker.home.purge_session MARK``.

This is for ``hermes-router test-route --say``, which gives its turn a chat of its own. ``MARK`` is
that chat's id, which occurs nowhere else. It runs with a worker's environment, so that
``HERMES_HOME`` is the profile's. It prints how many sessions it removed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hermes_router_worker import json_files
from hermes_router_worker.hermes.home.session_store import delete_sessions
from hermes_router_worker.home.lock import home_lock


def main() -> int:
    """Remove the sessions that the command line names, and print how many; return 0."""
    parser = argparse.ArgumentParser(prog="hermes_router_worker.home.purge_session")
    parser.add_argument("mark")
    mark = parser.parse_args().mark
    home = Path(os.environ["HERMES_HOME"])
    with home_lock(home):
        removed = forget(home, mark)
    sys.stdout.write(f"{removed}\n")
    return 0


def forget(home: Path, mark: str) -> int:
    """Remove every trace of the sessions whose key contains ``mark``; return their number.

    The caller holds the home's lock, because workers may write the same files.

    Raises:
        OSError: a file cannot be written.
        sqlite3.Error: the session database cannot be used.
    """
    maps = [home / "sessions" / "sessions.json", home / "hermes-router" / "sessions.json"]
    found = {str(row.get("session_id")) for path in maps for row in _rows(path, mark)}
    database = home / "state.db"
    if database.exists():
        found |= _sessions(database, mark)
        _delete_sessions(found, home)
        _delete_keyed_rows(database, mark)
    for path in maps:
        _rewrite(path, mark)
    return len(found)


def _rows(path: Path, mark: str) -> Iterator[dict[str, Any]]:
    for key, row in json_files.read_map(path).items():
        if mark in key and isinstance(row, dict):
            yield row


def _rewrite(path: Path, mark: str) -> None:
    content = json_files.read_map(path)
    kept = {key: row for key, row in content.items() if mark not in key}
    if kept != content:
        json_files.write(path, kept, indent=2)


def _sessions(database: Path, mark: str) -> set[str]:
    """Return the ids of the sessions with such a key, and of the sessions that they began."""
    with _connected(database) as connection:
        if "session_key" not in _columns(connection, "sessions"):
            return set()
        rows = connection.execute(
            "WITH RECURSIVE mine(id) AS ("
            " SELECT id FROM sessions WHERE instr(session_key, ?) > 0"
            " UNION SELECT s.id FROM sessions s JOIN mine ON s.parent_session_id = mine.id"
            ") SELECT id FROM mine",
            (mark,),
        )
        return {row[0] for row in rows}


def _delete_sessions(ids: set[str], home: Path) -> None:
    """Have Hermes delete the sessions: it knows which data belongs to a session."""
    if ids:
        delete_sessions(ids, home / "sessions")


def _delete_keyed_rows(database: Path, mark: str) -> None:
    """Delete rows under a session's key: the routing index, and what was to be delivered."""
    with _connected(database) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in tables.fetchall():
            if "session_key" in _columns(connection, table):
                quoted = table.replace('"', '""')
                connection.execute(
                    f'DELETE FROM "{quoted}" WHERE instr(session_key, ?) > 0',  # noqa: S608 - quoted
                    (mark,),
                )


@contextlib.contextmanager
def _connected(database: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(database, timeout=30)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return {row[0] for row in rows}


if __name__ == "__main__":
    sys.exit(main())
