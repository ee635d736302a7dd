"""The guard of the session store: a worker reads what others wrote, and writes only its changes."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hermes_router_worker.hermes.home.row_stores import Rows, rows_of
from hermes_router_worker.hermes.home.session_store import Row, SessionStore, entry_of
from hermes_router_worker.home.lock import home_lock, in_process

_log = logging.getLogger(__name__)


class SessionRows:
    """The guard of one ``SessionStore``: what it reads before an operation, how it saves.

    Saving writes only the rows that this process changed since it last read or wrote them
    (``_seen``). A row that another process changed too is merged field by field, and our fields
    win. But if the two rows name different conversations (``/new`` or ``/resume`` on one side), the
    whole row of the conversation that began later wins. A row is removed only if no other process
    has changed it meanwhile.

    Entries are updated in place, because Hermes holds references to them during a turn. If the disk
    fails in :meth:`load` or :meth:`save`, that is logged, as in Hermes, and the next save includes
    the changes.
    """

    def __init__(self, store: SessionStore, rows: Rows, home: Path) -> None:
        self._store = store
        self._rows = rows
        self._home = home
        self._seen: dict[str, Row] = {}
        self._legacy: dict[str, Row] = {}

    def load(self) -> None:
        """Read what other processes have written; replaces ``_ensure_loaded_locked``.

        The store calls it at the start of each operation, with its lock held. Hermes loads once and
        for ever, and prunes rows of ended sessions while it loads. A worker reads whenever another
        process has written, and prunes nothing: another worker's row may look ended in the middle
        of its own change.
        """
        with in_process, _logged("read"):
            changed = self._rows.changed()
            if not self._store.loaded:
                self._begin()
            elif changed:
                self._take(self._read())

    def save(self) -> None:
        """Write what this process changed; replaces Hermes's ``_save``.

        The store's lock may be held or not. An error of the disk is logged.
        """
        with _logged("save"):
            self._save({})

    def save_entry(
        self, session_key: str, *, entry_data: Row | None = None, lock_held: bool = False
    ) -> None:
        """Write what this process changed; replaces ``_save_entry`` (since Hermes 0.20.6).

        ``entry_data`` is the new content of the session's row. Hermes changes the entry in memory
        only after this has returned, so an error of the disk is raised then. Nothing is written for
        a session that the store does not have.

        Raises:
            OSError: only with ``entry_data``: the file or the lock cannot be written.
            sqlite3.Error: only with ``entry_data``: the database refused it.
        """
        with contextlib.nullcontext() if lock_held else self._store.lock:
            if session_key not in self._store.entries:
                return
            if entry_data is None:
                self.save()
            else:
                self._save({session_key: dict(entry_data)})

    def persist(self, data: Mapping[str, Row], _generation: int) -> None:
        """Write what this process changed, and ``data``; replaces ``_persist_routing_data``.

        Apart from the other replaced methods, only ``/model`` calls it: with the new content of the
        row, and with the store's lock held.

        Raises:
            OSError: the file or the lock cannot be written.
            sqlite3.Error: the database refused it.
        """
        mine = self._memory()
        self._save({key: row for key, row in data.items() if row != mine.get(key)})

    def _save(self, coming: Mapping[str, Row]) -> None:
        with home_lock(self._home):
            theirs = self._read()
            mine = {**self._memory(), **coming}
            changed = {key: row for key, row in mine.items() if row != self._seen.get(key)}
            merged = {key: self._merge(key, row, theirs.get(key)) for key, row in changed.items()}
            gone = self._seen.keys() - mine.keys()
            removed = {key for key in gone if self._untouched(key, theirs)}
            result = {k: v for k, v in {**theirs, **merged}.items() if k not in removed}
            if merged or removed:
                self._rows.write(merged, removed, result)
            for key in gone:
                self._legacy.pop(key, None)
                del self._seen[key]
            self._seen.update(changed)
            self._take(result)

    def save_locked(self) -> None:
        """Take the store's lock and save; replaces Hermes's ``_save_entries``."""
        with self._store.lock:
            self.save()

    def _begin(self) -> None:
        """Let Hermes load, then add what Hermes does not know: our own copy of the rows."""
        self._store.load_first()
        self._seen = self._memory()
        rows = self._rows.read()
        self._legacy = {key: row for key, row in self._seen.items() if key not in rows}
        self._take({**self._legacy, **rows})

    def _read(self) -> dict[str, Row]:
        """Return the rows on disk, including those of an old ``sessions.json`` not yet moved."""
        return {**self._legacy, **self._rows.read()}

    def _memory(self) -> dict[str, Row]:
        return {key: entry.to_dict() for key, entry in list(self._store.entries.items())}

    def _merge(self, key: str, mine: Row, theirs: Row | None) -> Row:
        base = self._seen.get(key)
        if theirs is None or base is None:
            return mine
        return merge_rows(base, mine, theirs)

    def _untouched(self, key: str, theirs: Mapping[str, Row]) -> bool:
        """Say whether the row on disk is still the one that this process has seen."""
        row = theirs.get(key)
        fresh = None if row is None else entry_of(row)
        return fresh is not None and fresh.to_dict() == self._seen[key]

    def _take(self, rows: Mapping[str, Row]) -> None:
        """Put the rows on disk into memory, except rows with changes that are not saved yet."""
        for key in self._seen.keys() - rows.keys():
            entry = self._store.entries.get(key)
            if entry is None or entry.to_dict() == self._seen[key]:
                self._store.entries.pop(key, None)
                del self._seen[key]
        for key, row in rows.items():
            if row != self._seen.get(key):
                self._take_row(key, row)

    def _take_row(self, key: str, row: Row) -> None:
        entry, seen = self._store.entries.get(key), self._seen.get(key)
        mine = None if entry is None else entry.to_dict()
        if mine != seen:
            return  # changed or removed here, and not saved yet
        fresh = entry_of(row)
        if fresh is None:
            return
        if entry is None:
            self._store.entries[key] = fresh
        else:
            vars(entry).update(vars(fresh))
        self._seen[key] = fresh.to_dict()


@contextlib.contextmanager
def _logged(action: str) -> Iterator[None]:
    """Log an error of the disk or the database as Hermes does, and go on with what is in memory."""
    try:
        yield
    except (OSError, sqlite3.Error):
        _log.exception("session rows: %s failed", action)


def merge_rows(base: Row, mine: Row, theirs: Row) -> Row:
    """Return a session's row with the changes of this process and those of another one.

    ``base`` is the row that both began with, ``mine`` this process's row now, and ``theirs`` the
    row on disk now. :class:`SessionRows` says which change wins.
    """
    if mine.get("session_id") != theirs.get("session_id"):
        if mine.get("session_id") == base.get("session_id"):
            return theirs
        if theirs.get("session_id") != base.get("session_id"):
            return max(mine, theirs, key=lambda row: str(row.get("created_at", "")))
    result = dict(theirs)
    for name in base.keys() | mine.keys():
        if name not in mine:
            result.pop(name, None)
        elif mine[name] != base.get(name):
            result[name] = mine[name]
    return result


def guard_sessions(store: Any, home: Path) -> None:
    """Make a ``SessionStore`` write only the rows that it changed.

    Each worker calls it when its runner is built. The store must not have been loaded yet.

    Raises:
        MissingPoint: this Hermes's store lacks a member that is replaced.
    """
    found = SessionStore(store)
    found.guard_by(SessionRows(found, rows_of(store, home), home))
