"""Workers of one profile share its home: a worker writes only what is its own.

Hermes was written for one gateway per home. It keeps several maps in memory and saves each of them
whole, so that of two processes the one that saves last deletes what the other wrote. Here are the
guards against that, installed on the instances of this worker. They have one idea:

    what this process changed since it last read goes to disk, nothing else does, and what others
    changed meanwhile comes back into memory - under a lock that all workers of the home share.

======================  ============================================================================
sessions                each save merges per key and per field: :class:`SessionRows`
background processes    a file per worker, locked while the worker lives: :class:`ProcessRecords`
delegation results      only those of this session are taken from the database
/voice, dead chats      saved whole from memory by Hermes; merged per key: :class:`MapGuard`
.env, restart counts    read, changed and written without a lock by Hermes; serialised
gateway_state.json      would name this worker as the profile's gateway; not written
bundled skills          once per Hermes version, one worker at a time
======================  ============================================================================

A profile's own gateway may run beside its workers, without these guards, and drop the rows that it
does not know. Workers therefore keep their session rows a second time, out of its reach.

Guards sit on the smallest seam and check that it is there: :class:`SeamMissing` names what a
Hermes version lacks. Installing them reads no session state and takes well under 2 ms.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import queue
import sqlite3
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

Row = dict[str, Any]

LOCK_WAIT_SECONDS = 5.0
"""Critical sections last milliseconds; a holder that was stopped must not stop its siblings."""
SKILLS_WAIT_SECONDS = 60.0

_FOLDER = "hermes-router"
_log = logging.getLogger(__name__)
_in_process = threading.RLock()
_held: set[Path] = set()


class SeamMissing(Exception):
    """Hermes has no such member: this version needs another guard, and none may be skipped."""

    def __init__(self, owner: Any, name: str) -> None:
        where = getattr(owner, "__name__", type(owner).__name__)
        super().__init__(
            f"this Hermes has no {where}.{name}, where hermes-router keeps two processes of one"
            " profile from deleting each other's state; see the supported versions in the README"
        )


def install(runner: Any) -> None:
    """Install all guards. Once per worker, after the runner is built and before any event.

    Reads nothing that belongs to a session. Raises :class:`SeamMissing`, with nothing written.
    """
    home = _home()
    guard_sessions(runner.session_store, home)
    guard_processes(home)
    guard_delegations()
    guard_voice_modes(runner, home)
    guard_dead_targets(runner, home)
    guard_unlocked_writers(runner, home)
    silence_gateway_status()


def refresh(runner: Any) -> None:
    """Read again what the runner's constructor read: a prepared worker may be minutes old."""
    modes = runner._load_voice_modes()
    runner._voice_mode.clear()
    runner._voice_mode.update(modes)
    if isinstance(runner._save_voice_modes, MapGuard):
        runner._save_voice_modes.saved(modes)


# --- the lock -----------------------------------------------------------------------------------


@contextlib.contextmanager
def home_lock(home: Path, name: str = "state", wait: float | None = None) -> Iterator[bool]:
    """Hold the lock ``name`` that all workers of this home share; yields whether it was got.

    The kernel releases it when the holder dies. After ``wait`` seconds (by default
    :data:`LOCK_WAIT_SECONDS`) the caller goes on without it, which is logged: losing an update is
    better than losing the turn. May be nested.
    """
    path = home / _FOLDER / f"{name}.lock"
    with _in_process:
        if path in _held:
            yield True
            return
        with _open_lock(path) as handle:
            seconds = LOCK_WAIT_SECONDS if wait is None else wait
            got = _flock(handle, time.monotonic() + seconds)
            if not got:
                _log.error("%s: not released within %.1f s; going on without it", path, seconds)
            _held.add(path)
            try:
                yield got
            finally:
                _held.discard(path)


def _open_lock(path: Path) -> Any:
    """Open a lock file, making its folder if needed. Closing it releases the lock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a", encoding="utf-8")


def _flock(handle: Any, deadline: float) -> bool:
    """Lock exclusively before ``deadline`` (monotonic seconds); one attempt is always made."""
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.002)


# --- sessions -----------------------------------------------------------------------------------


class Rows(Protocol):
    """Where session rows are kept: ``session key -> SessionEntry as a dict``."""

    def changed(self) -> bool:
        """Tell whether :meth:`read` could give something new; True when in doubt."""

    def read(self) -> dict[str, Row]:
        """Return all rows."""

    def write(self, rows: Mapping[str, Row], removed: set[str], all_rows: dict[str, Row]) -> None:
        """Store ``rows``, drop ``removed``; ``all_rows`` is the result for whole-file copies."""


class DatabaseRows:
    """Rows in ``state.db`` (Hermes 0.18.2 and newer).

    Each row is kept in the scope of Hermes and in one of our own. A gateway without guards
    replaces its whole scope: a row that it drops is still in ours, a row that it changes is the
    newer one. ``sessions.json``, Hermes's readable copy, is written where Hermes would write it.
    """

    def __init__(self, store: Any) -> None:
        self._store = store
        self._db = store._db
        self._scopes = (store._routing_scope(), f"{store._routing_scope()}#{_FOLDER}")
        self._version: object = None
        self._parsed: dict[str, Row | None] = {}

    def changed(self) -> bool:
        """Ask SQLite whether another connection has committed since the last call."""
        connection = getattr(self._db, "_conn", None)
        if connection is None:
            return True
        with self._db._lock:
            version = connection.execute("PRAGMA data_version").fetchone()[0]
        previous, self._version = self._version, version
        return bool(version != previous)

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
            self._db.delete_gateway_routing_entries(sorted(removed), scope=scope)
        if getattr(self._store, "_write_sessions_json", True):
            self._store._save_sessions_json(all_rows)


class FileRows:
    """Rows in ``sessions/sessions.json`` (before 0.18.2), and in a file of our own beside it."""

    def __init__(self, store: Any, home: Path) -> None:
        folder = Path(store.sessions_dir)
        self._files = (folder / "sessions.json", home / _FOLDER / "sessions.json")
        self._version: object = None

    def changed(self) -> bool:
        """Tell whether a file was replaced since the last call."""
        version = tuple(_identity(path) for path in self._files)
        previous, self._version = self._version, version
        return version != previous

    def read(self) -> dict[str, Row]:
        """Return the newer of the two rows of each key."""
        rows: dict[str, Row] = {}
        for path in self._files:
            for key, row in _read_map(path).items():
                if isinstance(row, dict) and not key.startswith("_"):
                    rows[key] = max(rows.get(key, {}), row, key=_stamp)
        return rows

    def write(self, rows: Mapping[str, Row], removed: set[str], all_rows: dict[str, Row]) -> None:
        """Replace both files."""
        for path in self._files:
            _write_json(path, all_rows)


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
        with _in_process, _logged("read"):
            changed = self._rows.changed()
            if not self._store._loaded:
                self._begin()
            elif changed:
                self._take(self._read())

    def save(self) -> None:
        """Write what this process changed. In place of ``_save``; the store's lock may be held."""
        with home_lock(self._home), _logged("save"):
            theirs = self._read()
            mine = self._memory()
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

    Seams: ``_ensure_loaded_locked`` (called at the start of each operation), ``_save``, and from
    0.19 on ``_save_entries``. The store must not have been loaded yet.
    """
    for name in ("_ensure_loaded_locked", "_save", "_entries", "_loaded", "_lock"):
        _require(store, name)
    database = getattr(store, "_db", None)
    in_database = hasattr(database, "save_gateway_routing_entry")
    if in_database:
        _require(database, "load_gateway_routing_entries")
        _require(database, "delete_gateway_routing_entries")
        _require(store, "_routing_scope")
    rows: Rows = DatabaseRows(store) if in_database else FileRows(store, home)
    guard = SessionRows(store, rows, home)
    if hasattr(store, "_prune_stale_sessions_locked"):
        store._prune_stale_sessions_locked = _do_nothing
    store._ensure_loaded_locked = guard.load
    store._save = guard.save
    if hasattr(store, "_save_entries"):
        store._save_entries = guard.save_locked


# --- background processes -----------------------------------------------------------------------


class ProcessRecords:
    """The processes that this worker started, in a file of its own.

    Hermes rewrites ``processes.json`` whole on each start and end of a background process, and
    adopts at its start whatever is in it. With one file per worker nobody's record can be lost, and
    a profile's own gateway does not adopt (and at its stop kill) what a worker is running.

    Beside the file lies a lock that this process holds while it lives, and the kernel drops when it
    dies: a file whose lock is free has lost its worker. That needs no pid and so is right across
    pid namespaces and pid reuse. A worker without background processes has no file.
    """

    def __init__(self, module: Any, home: Path) -> None:
        self._registry = module.process_registry
        self._write_own = self._registry._write_checkpoint
        self._home = home
        self._folder = home / _FOLDER / "processes"
        self._file = self._folder / f"{uuid.uuid4().hex}.json"
        self._lock: Any = None
        module.CHECKPOINT_PATH = self._file

    def write(self) -> None:
        """Save this worker's running processes. In place of ``_write_checkpoint``."""
        with _in_process:
            if self._registry._running:
                self._own()
                self._write_own()
            elif self._lock is not None:
                self._file.unlink(missing_ok=True)

    def adopt(self, session_key: str) -> int:
        """Take over the processes of ``session_key`` whose worker is gone; returns how many.

        Records of other sessions stay for their own next worker, those of live workers are not
        touched. Hermes then checks that each pid is still the process that was started.
        """
        if not self._folder.is_dir():
            return 0
        with home_lock(self._home):
            mine = [record for path in self._orphaned() for record in _claim(path, session_key)]
        if not mine:
            return 0
        self._own()
        _write_json(self._file, mine)
        return int(self._registry.recover_from_checkpoint())

    def tidy(self) -> int:
        """Remove what is left of dead workers without processes; returns how many have some.

        Those stay for the next worker of their session, which tells what became of them.
        """
        if not self._folder.is_dir():
            return 0
        with home_lock(self._home):
            return len(list(self._orphaned()))

    def _own(self) -> None:
        """Take the lock that says that this worker lives."""
        if self._lock is None:
            with home_lock(self._home):  # or a sibling could find the file before it is locked
                self._lock = _open_lock(self._file.with_suffix(".lock"))
                _flock(self._lock, time.monotonic() + LOCK_WAIT_SECONDS)

    def _orphaned(self) -> Iterator[Path]:
        """Yield the files of dead workers; removes what is left of a worker without processes."""
        for lock_path in sorted(self._folder.glob("*.lock")):
            path = lock_path.with_suffix(".json")
            if path == self._file:
                continue
            with _open_lock(lock_path) as lock:
                if not _flock(lock, deadline=0):
                    continue
                if path.exists():
                    yield path
                if not path.exists():
                    lock_path.unlink(missing_ok=True)


def _claim(path: Path, session_key: str) -> list[Row]:
    """Take the records of ``session_key`` out of a dead worker's file; forget ended processes."""
    records = _read_list(path)
    rest = [r for r in records if r.get("session_key") != session_key and _alive(r.get("pid"))]
    if rest:
        _write_json(path, rest)
    else:
        path.unlink(missing_ok=True)
    return [record for record in records if record.get("session_key") == session_key]


def _alive(pid: Any) -> bool:
    """Tell whether a process with this number runs; another user's counts, a zombie does not."""
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # no such file system here, or gone this instant
        return True
    return not state.rpartition(")")[2].lstrip().startswith("Z")


def guard_processes(home: Path) -> None:
    """Keep this worker's process records in a file of its own."""
    from tools import process_registry as module

    _require(module, "CHECKPOINT_PATH")
    registry = _require(module, "process_registry")
    for name in ("_write_checkpoint", "recover_from_checkpoint", "_running"):
        _require(registry, name)
    registry._write_checkpoint = ProcessRecords(module, home).write


def adopt_processes(session_key: str) -> int:
    """Take over what an earlier worker of this session left running; after :func:`install`."""
    from tools.process_registry import process_registry

    records = getattr(process_registry._write_checkpoint, "__self__", None)
    return records.adopt(session_key) if isinstance(records, ProcessRecords) else 0


def tidy_processes() -> None:
    """Remove the empty records of dead workers; after :func:`install`."""
    from tools.process_registry import process_registry

    records = getattr(process_registry._write_checkpoint, "__self__", None)
    if isinstance(records, ProcessRecords):
        records.tidy()


# --- delegation results -------------------------------------------------------------------------


def guard_delegations() -> None:
    """Forget the results of background delegations that importing Hermes put into the queue.

    From 0.19 on the import takes every undelivered result of the home, of all sessions: a worker
    would answer in conversations that are not its own. They stay undelivered in the database.
    """
    from tools.process_registry import process_registry

    events = process_registry.completion_queue
    kept = [event for event in _drain(events) if not event.get("restored")]
    for event in kept:
        events.put(event)


def restore_delegations(session_key: str) -> int:
    """Put the undelivered results of this session into the queue; returns how many."""
    try:
        from tools.async_delegation import restore_undelivered_completions
    except ImportError:  # before 0.19 results did not survive a process
        return 0
    from tools.process_registry import process_registry

    found: queue.Queue[Row] = queue.Queue()
    restore_undelivered_completions(found)
    mine = [event for event in _drain(found) if event.get("session_key") == session_key]
    for event in mine:
        process_registry.completion_queue.put(event)
    return len(mine)


def _drain(events: Any) -> list[Row]:
    drained: list[Row] = []
    with contextlib.suppress(queue.Empty):
        while True:
            drained.append(events.get_nowait())
    return drained


# --- maps that Hermes keeps in memory and writes whole ------------------------------------------


class MapGuard:
    """Saves a map of independent keys: the keys that changed here, over what is on disk.

    ``current`` is the live map (updated in place), ``read`` reads the file, ``write`` is Hermes's
    own method that writes ``current`` whole.
    """

    def __init__(
        self,
        home: Path,
        current: Callable[[], dict[str, Any]],
        read: Callable[[], Mapping[str, Any]],
        write: Callable[[], None],
    ) -> None:
        self._home = home
        self._current = current
        self._read = read
        self._write = write
        self._seen = dict(current())

    def saved(self, values: Mapping[str, Any]) -> None:
        """Note ``values`` as what is on disk and in memory."""
        self._seen = dict(values)

    def __call__(self) -> None:
        """Save; in place of Hermes's method."""
        current = self._current()
        with home_lock(self._home):
            merged = dict(self._read())
            for key in self._seen.keys() | current.keys():
                if key not in current:
                    merged.pop(key, None)
                elif current[key] != self._seen.get(key):
                    merged[key] = current[key]
            current.clear()
            current.update(merged)
            self._write()
        self.saved(merged)


def guard_voice_modes(runner: Any, home: Path) -> None:
    """``/voice`` of one chat keeps the modes of the others (gateway_voice_mode.json)."""
    for name in ("_voice_mode", "_load_voice_modes", "_save_voice_modes"):
        _require(runner, name)
    runner._save_voice_modes = MapGuard(
        home, lambda: runner._voice_mode, runner._load_voice_modes, runner._save_voice_modes
    )


def guard_dead_targets(runner: Any, home: Path) -> None:
    """Keep what siblings learned about chats that are gone (0.18 and newer)."""
    targets = getattr(runner.delivery_router, "dead_targets", None)
    if targets is None:
        return
    path = Path(_require(targets, "_path"))
    write = _require(targets, "_flush_locked")
    _require(targets, "_dead")
    targets._flush_locked = MapGuard(home, lambda: targets._dead, lambda: _read_map(path), write)


# --- files that Hermes reads, changes and writes without a lock ---------------------------------


def guard_unlocked_writers(runner: Any, home: Path) -> None:
    """Serialise the functions that change one entry of a file: ``/sethome``, a turn that went well.

    They read the file each time, so that a lock around them is all that is missing.
    """
    from hermes_cli import config

    for owner, name in (
        (config, "save_env_value"),
        (runner, "_clear_restart_failure_count"),
    ):
        setattr(owner, name, _serialised(_require(owner, name), home))


def _serialised(function: Callable[..., Any], home: Path) -> Callable[..., Any]:
    def serialised(*args: Any, **kwargs: Any) -> Any:
        with home_lock(home):
            return function(*args, **kwargs)

    return serialised


def silence_gateway_status() -> None:
    """Keep this process out of gateway_state.json.

    Each turn writes the writer's pid there, as that of the profile's gateway: ``hermes status`` and
    ``hermes gateway stop`` would take a worker for it.
    """
    from gateway import status

    _require(status, "write_runtime_status")
    status.write_runtime_status = _do_nothing


# --- bundled skills -----------------------------------------------------------------------------


def sync_skills_once() -> bool:
    """Sync the bundled skills unless it was done with this Hermes; returns whether it was done now.

    Hermes compares every file of every skill at each gateway start. For a worker that is a delay,
    and two at once move the same folders. Deleting ``skills/.bundled_manifest`` asks for it again.
    """
    from tools import skills_sync

    home = _home()
    stamp = home / _FOLDER / "skills-synced"
    if not Path(skills_sync._get_bundled_dir()).is_dir() or _skills_current(stamp, skills_sync):
        return False
    with home_lock(home, "skills", SKILLS_WAIT_SECONDS):
        if _skills_current(stamp, skills_sync):
            return False
        skills_sync.sync_skills(quiet=True)
        stamp.write_text(_skills_version(skills_sync), encoding="utf-8")
    return True


def _skills_current(stamp: Path, skills_sync: Any) -> bool:
    if not Path(skills_sync.MANIFEST_FILE).exists():
        return False
    try:
        return stamp.read_text(encoding="utf-8") == _skills_version(skills_sync)
    except FileNotFoundError:
        return False


def _skills_version(skills_sync: Any) -> str:
    """Return what changes when bundled skills can have changed: the version and their folder."""
    import hermes_cli

    folder = Path(skills_sync._get_bundled_dir())
    return f"{hermes_cli.__version__} {folder} {_identity(folder)}"


# --- small things -------------------------------------------------------------------------------


def _home() -> Path:
    from hermes_constants import get_hermes_home

    return Path(get_hermes_home())


def _require(owner: Any, name: str) -> Any:
    """Return ``owner.name`` or say which seam this Hermes lacks."""
    try:
        return getattr(owner, name)
    except AttributeError:
        raise SeamMissing(owner, name) from None


def _do_nothing(*_args: Any, **_kwargs: Any) -> None:
    """Stand in for what a worker must not do."""


def _stamp(row: Mapping[str, Any]) -> str:
    """Return when a row was last written by a session: ISO times of one machine sort as text."""
    return str(row.get("updated_at", ""))


def _parse(text: str) -> Row | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _read_json(path: Path) -> Any:
    """Return the content of a file, None when it is missing or broken."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _read_map(path: Path) -> dict[str, Any]:
    value = _read_json(path)
    return value if isinstance(value, dict) else {}


def _read_list(path: Path) -> list[Row]:
    value = _read_json(path)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _write_json(path: Path, value: Any) -> None:
    """Replace a file in one step; a reader sees the old or the new content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
    Path(name).replace(path)
