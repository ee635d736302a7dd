"""The records of background processes: one file per worker, for the session's next worker."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hermes_router.protocol.system.pids import is_running
from hermes_router_worker import json_files
from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.patching import require
from hermes_router_worker.home.lock import FOLDER, acquire, home_lock, in_process, open_lock


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
        self._folder = home / FOLDER / "processes"
        self._file = self._folder / f"{uuid.uuid4().hex}.json"
        self._lock: Any = None
        module.CHECKPOINT_PATH = self._file

    def write(self, extra_entries: list[dict[str, Any]] | None = None) -> None:
        """Save this worker's running processes. In place of ``_write_checkpoint``.

        ``extra_entries`` are records that Hermes could not take over and wants to keep.
        """
        with in_process:
            if extra_entries:
                self._own()
                self._write_own(extra_entries)
            elif self._registry._running:
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
        json_files.write(self._file, mine, indent=2)
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
                self._lock = open_lock(self._file.with_suffix(".lock"))
                acquire(self._lock)

    def _orphaned(self) -> Iterator[Path]:
        """Yield the files of dead workers; removes what is left of a worker without processes."""
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
    """Keep this worker's process records in a file of its own."""
    from tools import process_registry as module

    require(module, "CHECKPOINT_PATH")
    registry = require(module, "process_registry")
    for name in ("recover_from_checkpoint", "_running"):
        require(registry, name)
    replacements.WRITE_CHECKPOINT.replace(lambda _: ProcessRecords(module, home).write, on=registry)


def adopt_processes(session_key: str) -> int:
    """Take over what an earlier worker of this session left running; returns how many."""
    records = _installed()
    return 0 if records is None else records.adopt(session_key)


def tidy_processes() -> None:
    """Remove the empty records of dead workers."""
    records = _installed()
    if records is not None:
        records.tidy()


def _installed() -> ProcessRecords | None:
    """Return what :func:`guard_processes` has installed in this process."""
    from tools.process_registry import process_registry

    records = getattr(process_registry._write_checkpoint, "__self__", None)
    return records if isinstance(records, ProcessRecords) else None


def _claim(path: Path, session_key: str) -> list[dict[str, Any]]:
    """Take the records of ``session_key`` out of a dead worker's file; forget ended processes."""
    records = json_files.read_rows(path)
    rest = [r for r in records if r.get("session_key") != session_key and is_running(r.get("pid"))]
    if rest:
        json_files.write(path, rest, indent=2)
    else:
        path.unlink(missing_ok=True)
    return [record for record in records if record.get("session_key") == session_key]
