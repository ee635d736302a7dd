"""Read and follow the log files of a gateway and its routed profiles, also across rotations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hermes_router.observe.log_lines import Entry, entries
from hermes_router.workers.worker_log import FILE_NAME

#: Bytes that are read from a file's end if only the last lines are wanted.
TAIL_BYTES = 1024 * 1024

#: How many rotated files are read, and how many bytes at a time while following a file.
_BACKUPS, _PIECE = 9, 4 * 1024 * 1024

HERMES_LOG = "agent.log"


@dataclass(frozen=True, slots=True)
class LogFile:
    """One log: the path of its current file, its source (see :class:`Entry`) and its profile."""

    path: Path
    source: str
    profile: str


def log_files(home: Path, root: Path, profiles: list[str]) -> list[LogFile]:
    """Return the logs of the gateway at ``home`` and of the profiles; they may not exist yet."""
    files = [LogFile(home / "logs" / HERMES_LOG, "gateway", "")]
    for name in profiles:
        logs = root / "profiles" / name / "logs"
        files.append(LogFile(logs / FILE_NAME, "worker", name))
        files.append(LogFile(logs / HERMES_LOG, "profile", name))
    return files


def read(file: LogFile, *, whole: bool) -> list[Entry]:
    """Return the entries of a log's last 1 MiB; with ``whole``, of all that rotation has kept."""
    lines: list[str] = []
    for path in _with_backups(file.path) if whole else [file.path]:
        lines += _text(path, None if whole else TAIL_BYTES).splitlines()
    return list(entries(lines, file.source, file.profile))


def _with_backups(path: Path) -> Iterator[Path]:
    """Yield the rotated files of a log and its current file, oldest first."""
    for number in range(_BACKUPS, 0, -1):
        if (older := path.with_name(f"{path.name}.{number}")).is_file():
            yield older
    yield path


def _text(path: Path, most: int | None) -> str:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            cut = most is not None and size > most
            if cut and most is not None:
                file.seek(size - most)
                file.readline()
            return file.read().decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""


@dataclass(slots=True)
class Follower:
    """Reads what is appended to one log, also across a rotation.

    With ``at_end`` it skips the lines that are there at the start.
    """

    file: LogFile
    at_end: bool = True
    _descriptor: int = -1
    _inode: int = 0
    _rest: bytes = b""
    _waiting: list[str] = field(default_factory=list)

    def poll(self) -> list[Entry]:
        """Return the entries that were added since the last call; this does not wait for any."""
        lines = self._read() if self._descriptor >= 0 else []
        if self._rotated():
            self._open()
            lines += self._read() if self._descriptor >= 0 else []
        return list(entries(lines, self.file.source, self.file.profile))

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _rotated(self) -> bool:
        try:
            return self.file.path.stat().st_ino != self._inode or self._descriptor < 0
        except OSError:
            return False

    def _open(self) -> None:
        first = self._inode == 0
        self.close()
        try:
            self._descriptor = os.open(self.file.path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return
        self._inode = os.fstat(self._descriptor).st_ino
        self._rest = b""
        if first and self.at_end:
            os.lseek(self._descriptor, 0, os.SEEK_END)

    def _read(self) -> list[str]:
        """Return the new whole lines; a file that has become shorter is read from its beginning."""
        if os.fstat(self._descriptor).st_size < os.lseek(self._descriptor, 0, os.SEEK_CUR):
            os.lseek(self._descriptor, 0, os.SEEK_SET)
        data = self._rest + os.read(self._descriptor, _PIECE)
        whole, _newline, self._rest = data.rpartition(b"\n")
        return whole.decode(errors="replace").splitlines() if whole else []
