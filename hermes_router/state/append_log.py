"""A file of JSON lines that one process appends to: what is written survives a kill of the process.

A line that must survive a power cut as well is synced to the disk before the call returns.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from hermes_router.protocol.files.whole_file import replace_file

_Line = TypeVar("_Line")

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class AppendLog(Generic[_Line]):
    """Lines of the type ``kind`` in the file ``path``, which is made when it is first needed.

    Threads may append at once. One that syncs its line keeps no other waiting.
    """

    def __init__(self, path: Path, kind: type[_Line]) -> None:
        self._path = path
        self._decoder = msgspec.json.Decoder(kind)
        self._encoder = msgspec.json.Encoder()
        self._file: int | None = None
        self._lock = threading.Lock()
        self.size = 0

    def read(self) -> list[_Line]:
        """Return the lines; what is cut off or no such line is left out. Raises ``OSError``."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        lines = []
        for line in content.split(b"\n"):
            with contextlib.suppress(msgspec.MsgspecError):
                lines.append(self._decoder.decode(line))
        return lines

    def append(self, line: _Line, *, sync: bool = False) -> None:
        """Append a line; with ``sync`` it is on the disk when this returns.

        Raises:
            OSError: it could not be written. A part of it may be there, which :meth:`read` skips.
        """
        data = self._encoder.encode(line) + b"\n"
        with self._lock:
            file = self._open()
            try:
                self._write(file, data)
            except OSError:
                self._shut()  # the next line begins on a line of its own
                raise
            synced = os.dup(file) if sync else None
        if synced is not None:
            try:
                _sync(synced)
            finally:
                os.close(synced)

    def _write(self, file: int, data: bytes) -> None:
        written = os.write(file, data)
        self.size += written
        if written < len(data):
            raise OSError(f"{self._path}: the disk is full")

    def replace(self, lines: Iterable[_Line]) -> None:
        """Write these lines in place of all that is there; raises ``OSError``."""
        content = b"".join(self._encoder.encode(line) + b"\n" for line in lines)
        with self._lock:
            replace_file(self._path, content)
            self._shut()
            _sync(self._open())

    def _shut(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        """Return the open file, which ends with a whole line."""
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self._path, _FLAGS, 0o600)
            self.size = os.fstat(self._file).st_size
            if self.size and os.pread(self._file, 1, self.size - 1) != b"\n":
                self.size += os.write(self._file, b"\n")
        return self._file


def _sync(file: int) -> None:
    """Have what was written on the disk; macOS has only the slower way."""
    os.fdatasync(file) if hasattr(os, "fdatasync") else os.fsync(file)
