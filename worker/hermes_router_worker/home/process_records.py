"""The records of background processes: one file per worker, for the session's next worker."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hermes_router.protocol.system.pids import is_running
from hermes_router_worker import json_files
from hermes_router_worker.hermes.home import checkpoint
from hermes_router_worker.hermes.home.checkpoint import Checkpoint
from hermes_router_worker.hermes.paths import FOLDER
from hermes_router_worker.home.lock import acquire, home_lock, in_process, open_lock


class ProcessRecords:
    """The processes that this worker started, in a file of its own.

    Hermes rewrites ``processes.json`` as a whole on each start and end of a background process, and
    takes over every process in it when it starts. With one file per worker, no record can be lost.
    Also, a profile's own gateway does not take over (and at its stop kill) what a worker is
    running.

    Beside the file there is a lock that this process holds while it lives; the kernel drops it when
    the process dies. If the lock of a file is free, its worker is dead. This needs no process id,
    so it is right across pid namespaces and reused ids. A worker without background processes has
    no file.
    """

    def __init__(self, record: Checkpoint, home: Path) -> None:
        self._checkpoint = record
        self._home = home
        self._folder = home / FOLDER / "processes"
        self._file = self._folder / f"{uuid.uuid4().hex}.json"
        self._lock: Any = None
        record.keep_in(self._file)

    def write(self, extra_entries: list[dict[str, Any]] | None = None) -> None:
        """Save this worker's running processes; replaces Hermes's ``_write_checkpoint``.

        Hermes calls it at each start and end of a background process. ``extra_entries`` are records
        that Hermes could not take over and wants to keep. Without any process, the file is removed.
        """
        with in_process:
            if extra_entries:
                self._own()
                self._checkpoint.write(extra_entries)
            elif self._checkpoint.any_running():
                self._own()
                self._checkpoint.write()
            elif self._lock is not None:
                self._file.unlink(missing_ok=True)

    def adopt(self, session_key: str) -> int:
        """Take over the processes of ``session_key`` whose worker is dead; return how many.

        Records of other sessions stay for those sessions' next workers; records of live workers are
        not touched. Hermes then checks that each process id is still that of the recorded process,
        and does not count the others.
        """
        if not self._folder.is_dir():
            return 0
        with home_lock(self._home):
            mine = [record for path in self._orphaned() for record in _claim(path, session_key)]
        if not mine:
            return 0
        self._own()
        json_files.write(self._file, mine, indent=2)
        return self._checkpoint.recover()

    def tidy(self) -> int:
        """Remove the lock files of dead workers that left no records of background processes.

        Returns how many dead workers left some. Their records stay for the next worker of their
        session, which reports how the processes ended.
        """
        if not self._folder.is_dir():
            return 0
        with home_lock(self._home):
            return len(list(self._orphaned()))

    def _own(self) -> None:
        """Take the lock that says that this worker lives."""
        if self._lock is None:
            with home_lock(self._home):  # or another worker could find the file before it is locked
                self._lock = open_lock(self._file.with_suffix(".lock"))
                acquire(self._lock)

    def _orphaned(self) -> Iterator[Path]:
        """Yield the files of dead workers; remove the lock of a dead worker without processes."""
        for lock_path in sorted(self._folder.glob("*.lock")):
            path = lock_path.with_suffix(".json")
            if path == self._file:
                continue
            with open_lock(lock_path) as lock:
                if not acquire(lock, wait=0):
                    continue
                if path.exists():
                    yield path
                if not path.exists():
                    lock_path.unlink(missing_ok=True)


def guard_processes(home: Path) -> None:
    """Have Hermes record this worker's background processes in a file of the worker's own.

    Each worker calls it once, when its runner is built; a second call does nothing.
    """
    found = Checkpoint()
    if not isinstance(_writer(), ProcessRecords):
        found.write_by(ProcessRecords(found, home).write)


def adopt_processes(session_key: str) -> int:
    """Take over background processes that dead workers of the session left; return how many.

    It is 0 if :func:`guard_processes` was not called.
    """
    records = _installed()
    return 0 if records is None else records.adopt(session_key)


def tidy_processes() -> None:
    """Remove the lock files of dead workers that left no records of background processes.

    The maintenance of the home calls it.
    """
    records = _installed()
    if records is not None:
        records.tidy()


def _installed() -> ProcessRecords | None:
    """Return the records that :func:`guard_processes` has installed in this process."""
    records = _writer()
    return records if isinstance(records, ProcessRecords) else None


def _writer() -> object:
    return getattr(checkpoint.writer(), "__self__", None)


def _claim(path: Path, session_key: str) -> list[dict[str, Any]]:
    """Take the records of ``session_key`` out of a dead worker's file; drop ended processes."""
    records = json_files.read_rows(path)
    rest = [r for r in records if r.get("session_key") != session_key and is_running(r.get("pid"))]
    if rest:
        json_files.write(path, rest, indent=2)
    else:
        path.unlink(missing_ok=True)
    return [record for record in records if record.get("session_key") == session_key]
