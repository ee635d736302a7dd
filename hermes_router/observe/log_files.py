"""Read and follow the log files of a gateway and its routed profiles, also across rotations."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from hermes_router.observe.log_lines import Entry, entries
from hermes_router.workers.worker_log import FILE_NAME

#: Bytes that are read from a file's end if only the last lines are wanted.
TAIL_BYTES = 1024 * 1024

#: How many rotated files are read, and how many bytes at a time while following a file.
_BACKUPS, _PIECE = 9, 4 * 1024 * 1024

#: How many files of one log a follower has open at most.
_KEPT_OPEN = 2

HERMES_LOG = "agent.log"


@dataclass(frozen=True, slots=True)
class LogFile:
    """One log: the path of its current file, its source (see :class:`Entry`) and its profile.

    The profile is "" for the gateway's log.
    """

    path: Path
    source: str
    profile: str


def log_files(home: Path, root: Path, profiles: list[str]) -> list[LogFile]:
    """Return the logs of the gateway at ``home`` and of the profiles, for ``hermes-router logs``.

    The files may not exist yet. A profile whose own gateway this is writes into the gateway's log.
    """
    files = [LogFile(home / "logs" / HERMES_LOG, "gateway", "")]
    for name in profiles:
        of_profile = root / "profiles" / name
        files.append(LogFile(of_profile / "logs" / FILE_NAME, "worker", name))
        if of_profile != home:
            files.append(LogFile(of_profile / "logs" / HERMES_LOG, "profile", name))
    return files


def read(file: LogFile, *, whole: bool) -> list[Entry]:
    """Return the entries of a log's last 1 MiB; with ``whole``, of all that rotation has kept.

    Raises:
        OSError: the log exists but cannot be read.
    """
    lines, current = _begin(file.path, whole=whole)
    if current is not None:
        lines += current.unfinished_line()
        current.close()
    return list(entries(lines, file.source, file.profile))


class Follower:
    """Reads one log for ``logs --follow``: what is there, then what is appended.

    It goes on in the new file after a rotation.
    """

    def __init__(self, file: LogFile) -> None:
        self.file = file
        #: The current file is the last one; before it is the one that was rotated away last,
        #: because a process that opened that one may still write into it.
        self._open: list[_OpenLog] = []

    def begin(self, *, whole: bool) -> list[Entry]:
        """Return the entries that are there, as :func:`read` does; call this before any poll.

        A last line that is not complete yet is left to :meth:`poll`. Without this call, the first
        poll returns the whole file.

        Raises:
            OSError: the log exists but cannot be read.
        """
        lines, current = _begin(self.file.path, whole=whole)
        if current is None:
            return self._entries(lines, None)
        self._open = [current]
        return self._entries(lines, current)

    def poll(self) -> list[Entry]:
        """Return the entries that were added since the last call; this does not wait."""
        found = [entry for log in self._open for entry in self._entries(log.read(_PIECE), log)]
        if (current := self._new_file()) is not None:
            self._keep(current)
            found += self._entries(current.read(_PIECE), current)
        return found

    def close(self) -> None:
        """Close the files."""
        while self._open:
            self._open.pop().close()

    def _entries(self, lines: list[str], log: _OpenLog | None) -> list[Entry]:
        """Return the entries of lines that were read from ``log``, and note the last one there."""
        before = None if log is None else log.last
        found = list(entries(lines, self.file.source, self.file.profile, before=before))
        if log is not None and found:
            log.last = found[-1]
        return found

    def _new_file(self) -> _OpenLog | None:
        """Return the file that has the log's name now, opened; None if it is open already."""
        try:
            named = self.file.path.stat()
            identity = named.st_dev, named.st_ino
            known = any(log.identity == identity for log in self._open)
            return None if known else _opened(self.file.path)
        except OSError:
            return None

    def _keep(self, current: _OpenLog) -> None:
        self._open.append(current)
        while len(self._open) > _KEPT_OPEN:
            self._open.pop(0).close()


class _OpenLog:
    """A file of a log, and how far it was read.

    ``last`` is its last entry: lines that come later without a time of their own belong to it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._unfinished = b""
        self.last: Entry | None = None
        status = os.fstat(descriptor)
        self.identity = status.st_dev, status.st_ino

    def skip_to_tail(self, size: int) -> None:
        """Skip to the first line that begins in the file's last ``size`` bytes."""
        position = self._size() - size
        if position <= 0:
            return
        # One byte more, because a line may begin with the first byte of the tail.
        os.lseek(self._descriptor, position - 1, os.SEEK_SET)
        data = os.read(self._descriptor, size + 1)
        _cut, _newline, rest = data.partition(b"\n")
        os.lseek(self._descriptor, -len(rest), os.SEEK_CUR)

    def read(self, most: int = sys.maxsize) -> list[str]:
        """Return the new whole lines, in at most ``most`` new bytes.

        A file that has become shorter is read from its beginning.
        """
        new = self._size() - os.lseek(self._descriptor, 0, os.SEEK_CUR)
        if new < 0:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            new, self._unfinished, self.last = self._size(), b"", None
        data = os.read(self._descriptor, min(new, most))
        whole, newline, self._unfinished = (self._unfinished + data).rpartition(b"\n")
        return whole.decode(errors="replace").splitlines() if newline else []

    def unfinished_line(self) -> list[str]:
        """Return the last line if it has no end yet, else nothing."""
        return [self._unfinished.decode(errors="replace")] if self._unfinished else []

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size


def _begin(path: Path, *, whole: bool) -> tuple[list[str], _OpenLog | None]:
    """Read a log up to now; return its lines, and the current file, if there is one.

    These are the lines of the last 1 MiB; with ``whole``, of all files that rotation has kept.
    """
    current = _opened(path)
    lines = _rotated_lines(path, current) if whole else []
    if current is not None:
        if not whole:
            current.skip_to_tail(TAIL_BYTES)
        lines += current.read()
    return lines, current


def _rotated_lines(path: Path, current: _OpenLog | None) -> list[str]:
    """Return the lines of the rotated files, oldest first.

    A rotation at the same time gives a file another number. So this begins with the newest file,
    and each file counts once.
    """
    seen = set() if current is None else {current.identity}
    found: list[str] = []
    for number in range(1, _BACKUPS + 1):
        older = _opened(path.with_name(f"{path.name}.{number}"))
        if older is None:
            continue
        if older.identity not in seen:
            seen.add(older.identity)
            found = older.read() + older.unfinished_line() + found
        older.close()
    return found


def _opened(path: Path) -> _OpenLog | None:
    """Open a file of a log; return None if there is no such file, or if it is not a regular one.

    A profile's own processes can write in its folder of logs, so this must not wait for a pipe.

    Raises:
        OSError: the file exists but cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return _OpenLog(descriptor)
