"""Where Hermes keeps the rows of its sessions: a database, or a file if that cannot be opened.

Each row is kept twice: where Hermes looks for it, and in a place of our own. A gateway without our
guards replaces everything in Hermes's place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from hermes_router_worker import json_files
from hermes_router_worker.hermes.patching import MissingPoint, require
from hermes_router_worker.hermes.paths import FOLDER

Row = dict[str, Any]

_DELETES = ("delete_gateway_routing_rows", "delete_gateway_routing_entries")


class Rows(Protocol):
    """Where session rows are kept: a map from a session's key to its ``SessionEntry`` as a dict."""

    def changed(self) -> bool:
        """Return True if another process has written since the last call, or when in doubt."""

    def read(self) -> dict[str, Row]:
        """Return all rows."""

    def write(self, rows: Mapping[str, Row], removed: set[str], all_rows: dict[str, Row]) -> None:
        """Store ``rows`` and drop the keys in ``removed``.

        ``all_rows`` is the result of both, for a store that is written as a whole file.
        """


class DatabaseRows:
    """Rows in ``state.db``.

    Each row is kept in Hermes's scope and in a scope of our own. A gateway without our guards
    replaces its whole scope. A row that it drops is still in our scope; of a row that it changes,
    the newer copy counts. ``sessions.json``, Hermes's readable copy, is written where Hermes would
    write it.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self._scopes = (store._routing_scope(), f"{store._routing_scope()}#{FOLDER}")
        self._version: object = None
        self._parsed: dict[str, Row | None] = {}

    @property
    def _db(self) -> Any:
        """The database, looked up each time: Hermes opens another one if the file was replaced."""
        return self._store._db

    def changed(self) -> bool:
        """Return True if another connection has committed to the database since the last call."""
        database = self._db
        connection = getattr(database, "_conn", None)
        if connection is None:
            return True
        with database._lock:
            version = (id(connection), connection.execute("PRAGMA data_version").fetchone()[0])
        previous, self._version = self._version, version
        return version != previous

    def read(self) -> dict[str, Row]:
        """Return the newer of the two rows of each key."""
        rows: dict[str, Row] = {}
        parsed: dict[str, Row | None] = {}
        for scope in self._scopes:
            for key, text in self._db.load_gateway_routing_entries(scope=scope).items():
                if text not in parsed:  # most rows are the same in both scopes and as last time
                    parsed[text] = self._parsed[text] if text in self._parsed else _parse(text)
                row = parsed[text]
                if row is not None and _stamp(row) >= _stamp(rows.get(key, {})):
                    rows[key] = row
        self._parsed = parsed
        return rows

    def write(self, rows: Mapping[str, Row], removed: set[str], all_rows: dict[str, Row]) -> None:
        """Write both scopes row by row, and the readable copy."""
        for scope in self._scopes:
            for key, row in rows.items():
                self._db.save_gateway_routing_entry(key, json.dumps(row), scope=scope)
            self._delete(removed, scope)
        if getattr(self._store, "_write_sessions_json", True):
            self._store._save_sessions_json(all_rows)

    def _delete(self, keys: set[str], scope: str) -> None:
        delete = getattr(self._db, "delete_gateway_routing_rows", None)
        if delete is not None:
            delete([(scope, key) for key in sorted(keys)])
        else:  # before Hermes 0.21.5
            self._db.delete_gateway_routing_entries(sorted(keys), scope=scope)


class FileRows:
    """Rows in ``sessions/sessions.json``, and in a file of our own beside it."""

    def __init__(self, store: Any, home: Path) -> None:
        folder = Path(store.sessions_dir)
        self._files = (folder / "sessions.json", home / FOLDER / "sessions.json")
        self._version: object = None

    def changed(self) -> bool:
        """Return True if one of the two files was replaced since the last call."""
        version = tuple(json_files.identity(path) for path in self._files)
        previous, self._version = self._version, version
        return version != previous

    def read(self) -> dict[str, Row]:
        """Return the newer of the two rows of each key."""
        rows: dict[str, Row] = {}
        for path in self._files:
            for key, row in json_files.read_map(path).items():
                if isinstance(row, dict) and not key.startswith("_"):
                    rows[key] = max(rows.get(key, {}), row, key=_stamp)
        return rows

    def write(self, rows: Mapping[str, Row], removed: set[str], all_rows: dict[str, Row]) -> None:
        """Write ``all_rows`` into both files; each is replaced as a whole."""
        for path in self._files:
            json_files.write(path, all_rows, indent=2)


def rows_of(store: Any, home: Path) -> Rows:
    """Return where a ``SessionStore`` keeps its rows.

    Raises:
        MissingPoint: this Hermes lacks a member of its database.
    """
    database = getattr(store, "_db", None)
    if database is None:
        return FileRows(store, home)
    require(database, "save_gateway_routing_entry")
    require(database, "load_gateway_routing_entries")
    if not any(hasattr(database, name) for name in _DELETES):
        raise MissingPoint(type(database).__name__, _DELETES[0])
    require(store, "_routing_scope")
    return DatabaseRows(store)


def _stamp(row: Mapping[str, Any]) -> str:
    """Return when a session last wrote a row: ISO times of one machine sort as text."""
    return str(row.get("updated_at", ""))


def _parse(text: str) -> Row | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
