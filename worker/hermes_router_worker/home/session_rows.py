"""The guard of the session store: a worker reads what others wrote, and writes its own rows."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.patching import do_nothing, require
from hermes_router_worker.home.lock import home_lock, in_process
from hermes_router_worker.home.row_stores import Row, Rows, rows_of

_log = logging.getLogger(__name__)


class SessionRows:
    """The guard of one ``SessionStore``: what it reads before an operation, how it saves.

    ``_seen`` holds each row as this process last read or wrote it; a row in memory that differs
    from it is a change of ours. Saving writes changed rows only. A row that both sides changed is
    merged field by field, ours winning; but if the two name different conversations (``/new`` or
    ``/resume`` on one side), the row of the conversation that was begun later wins whole. A row is
    removed only if nobody changed it meanwhile.

    Entries are updated in place: Hermes holds references to them for the length of a turn. A save
    that fails is logged, as in Hermes, and its changes go with the next one.
    """

    def __init__(self, store: Any, rows: Rows, home: Path) -> None:
        self._store = store
        self._rows = rows
        self._home = home
        self._load_first = store._ensure_loaded_locked
        self._seen: dict[str, Row] = {}
        self._legacy: dict[str, Row] = {}

    def load(self) -> None:
        """Bring memory up to date. In place of ``_ensure_loaded_locked``: the store's lock is held.

        Hermes loads once and for ever, and prunes rows of ended sessions while it does. A worker
        reads whenever another process has written, and prunes nothing: a sibling's row may look
        ended in the middle of its own transition, and a stale row of ours is found when it is used.
        """
        with in_process, _logged("read"):
            changed = self._rows.changed()
            if not self._store._loaded:
                self._begin()
            elif changed:
                self._take(self._read())

    def save(self) -> None:
        """Write what this process changed. In place of ``_save``; the store's lock may be held."""
        with _logged("save"):
            self._save({})

    def save_entry(
        self, session_key: str, *, entry_data: Row | None = None, lock_held: bool = False
    ) -> None:
        """Write what this process changed. In place of ``_save_entry`` (Hermes 0.20.6 and newer).

        ``entry_data`` is what the session's row is about to become: Hermes changes the entry in
        memory only after this has returned, so that an error here is Hermes's to handle.
        """
        with contextlib.nullcontext() if lock_held else self._store._lock:
            if session_key not in self._entries:
                return
            if entry_data is None:
                self.save()
            else:
                self._save({session_key: dict(entry_data)})

    def persist(self, data: Mapping[str, Row], _generation: int) -> None:
        """Write what this process changed. In place of ``_persist_routing_data``.

        Besides the other methods that are replaced, only ``/model`` calls it: with the row as it is
        about to become, and with the store's lock held.
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
        """Save with the store's lock taken here. In place of ``_save_entries``."""
        with self._store._lock:
            self.save()

    def _begin(self) -> None:
        """Let Hermes load, then add what its load does not know: our own copy of the rows."""
        self._load_first()
        self._seen = self._memory()
        rows = self._rows.read()
        self._legacy = {key: row for key, row in self._seen.items() if key not in rows}
        self._take({**self._legacy, **rows})

    def _read(self) -> dict[str, Row]:
        """Return the rows on disk, with those of an old ``sessions.json`` that nobody moved yet."""
        return {**self._legacy, **self._rows.read()}

    def _memory(self) -> dict[str, Row]:
        return {key: entry.to_dict() for key, entry in list(self._entries.items())}

    @property
    def _entries(self) -> dict[str, Any]:
        """The store's map, looked up each time: Hermes may replace it."""
        entries: dict[str, Any] = self._store._entries
        return entries

    def _merge(self, key: str, mine: Row, theirs: Row | None) -> Row:
        base = self._seen.get(key)
        if theirs is None or base is None:
            return mine
        return merge_rows(base, mine, theirs)

    def _untouched(self, key: str, theirs: Mapping[str, Row]) -> bool:
        """Tell whether the row on disk is still the one that this process has seen."""
        row = theirs.get(key)
        fresh = None if row is None else self._entry(row)
        return fresh is not None and fresh.to_dict() == self._seen[key]

    def _take(self, rows: Mapping[str, Row]) -> None:
        """Put into memory what is on disk, except what this process changed and has not saved."""
        for key in self._seen.keys() - rows.keys():
            entry = self._entries.get(key)
            if entry is None or entry.to_dict() == self._seen[key]:
                self._entries.pop(key, None)
                del self._seen[key]
        for key, row in rows.items():
            if row != self._seen.get(key):
                self._take_row(key, row)

    def _take_row(self, key: str, row: Row) -> None:
        entry, seen = self._entries.get(key), self._seen.get(key)
        mine = None if entry is None else entry.to_dict()
        if mine != seen:
            return  # changed or removed here, and not saved yet
        fresh = self._entry(row)
        if fresh is None:
            return
        if entry is None:
            self._entries[key] = fresh
        else:
            vars(entry).update(vars(fresh))
        self._seen[key] = fresh.to_dict()

    def _entry(self, row: Row) -> Any | None:
        from gateway.session import SessionEntry

        try:
            return SessionEntry.from_dict(row)
        except (KeyError, TypeError, ValueError):  # another version's row: Hermes skips it too
            return None


@contextlib.contextmanager
def _logged(action: str) -> Iterator[None]:
    """Log a failing disk or database as Hermes does, and go on with what is in memory."""
    try:
        yield
    except (OSError, sqlite3.Error):
        _log.exception("session rows: %s failed", action)


def merge_rows(base: Row, mine: Row, theirs: Row) -> Row:
    """Merge two changes of one row; see :class:`SessionRows` for the rule."""
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

    ``_ensure_loaded_locked`` is called at the start of each operation. The store must not have
    been loaded yet.
    """
    for name in ("_ensure_loaded_locked", "_entries", "_loaded", "_lock"):
        require(store, name)
    guard = SessionRows(store, rows_of(store, home), home)
    replacements.PRUNE_SESSIONS.replace(lambda _: do_nothing, on=store)
    replacements.LOAD_SESSIONS.replace(lambda _: guard.load, on=store)
    replacements.SAVE_SESSIONS.replace(lambda _: guard.save, on=store)
    replacements.SAVE_ENTRIES.replace(lambda _: guard.save_locked, on=store)
    replacements.PERSIST_ENTRIES.replace(lambda _: guard.persist, on=store)
    replacements.SAVE_ENTRY.replace(lambda _: guard.save_entry, on=store)
