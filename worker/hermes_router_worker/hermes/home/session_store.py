"""Hermes's store of sessions: its map of entries, its lock, and the members that save it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.patching import do_nothing, require

Row = dict[str, Any]


class Guard(Protocol):
    """What a :class:`SessionStore` calls in place of Hermes's own functions that load and save.

    Each method's docstring names the function that it replaces.
    """

    def load(self) -> None:
        """Read what other processes have changed; the lock is held.

        Each operation calls it first. Replaces ``_ensure_loaded_locked``.
        """

    def save(self) -> None:
        """Write what this process changed; the lock may be held. Replaces ``_save``."""

    def save_locked(self) -> None:
        """Take the lock and write what this process changed. Replaces ``_save_entries``."""

    def persist(self, data: Mapping[str, Row], generation: int, /) -> None:
        """Write what this process changed, and the rows ``data``; the lock is held.

        Replaces ``_persist_routing_data``.
        """

    def save_entry(
        self, session_key: str, *, entry_data: Row | None = None, lock_held: bool = False
    ) -> None:
        """Write what this process changed; ``entry_data`` is the session's new row, if it is given.

        Replaces ``_save_entry``, which Hermes has since 0.20.6.
        """


class SessionStore:
    """One ``SessionStore`` of Hermes; methods raise ``MissingPoint`` if it lacks a member."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.load_first = require(store, "_ensure_loaded_locked")
        for name in ("_entries", "_loaded", "_lock"):
            require(store, name)

    @property
    def entries(self) -> dict[str, Any]:
        """The entries of sessions by session key.

        The map is looked up each time, because Hermes may replace it.
        """
        entries: dict[str, Any] = self._store._entries
        return entries

    @property
    def loaded(self) -> bool:
        """True once Hermes has loaded the map from the disk."""
        return bool(self._store._loaded)

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """The lock under which Hermes reads and changes the map."""
        lock: AbstractContextManager[Any] = self._store._lock
        return lock

    def guard_by(self, guard: Guard) -> None:
        """Have the store call the guard where it would load and save; it prunes no more."""
        store = self._store
        replacements.PRUNE_SESSIONS.replace(lambda _: do_nothing, on=store)
        replacements.LOAD_SESSIONS.replace(lambda _: guard.load, on=store)
        replacements.SAVE_SESSIONS.replace(lambda _: guard.save, on=store)
        replacements.SAVE_ENTRIES.replace(lambda _: guard.save_locked, on=store)
        replacements.PERSIST_ENTRIES.replace(lambda _: guard.persist, on=store)
        replacements.SAVE_ENTRY.replace(lambda _: guard.save_entry, on=store)


def loaded_entries(store: Any) -> dict[str, Any]:
    """Return the entries of a store by session key; load them first if needed."""
    return {entry.session_key: entry for entry in store.list_sessions()}


def fresh_entry(store: Any, session_key: str) -> Any:
    """Return a session's entry with other processes' changes; None if there is no session."""
    with store._lock:
        store._ensure_loaded_locked()
        return store._entries.get(session_key)


def entry_of(row: Row) -> Any | None:
    """Return the entry that Hermes makes of a stored row; None for a row that Hermes cannot read.

    Hermes skips such rows: another version of it has written them.
    """
    try:
        return importlib.import_module("gateway.session").SessionEntry.from_dict(row)
    except (KeyError, TypeError, ValueError):
        return None


def delete_sessions(ids: set[str], folder: Any) -> None:
    """Delete sessions from the home's database with all their data, and transcripts in a folder.

    Opens the database of this process's home.
    """
    database = importlib.import_module("hermes_state").SessionDB()
    for session_id in ids:
        database.delete_session(session_id, sessions_dir=folder)
    database.close()
