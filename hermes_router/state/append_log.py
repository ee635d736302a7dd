"""A file of JSON lines to which one process appends; lines survive if the process is killed.

A line that must also survive a power failure is synced to the disk before the call returns.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from hermes_router.protocol.files.whole_file import replace_file, sync_file

_Line = TypeVar("_Line")

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class AppendLog(Generic[_Line]):
    """Lines of the type ``kind`` in the file ``path``, which is made at the first write.

    The ledger is such a file. Several threads may append at the same time. A thread that syncs its
    line blocks no other. ``size`` is the size of the file in bytes; it is 0 until the first write
    opens the file.
    """

    def __init__(self, path: Path, kind: type[_Line]) -> None:
        self._path = path
        self._decoder = msgspec.json.Decoder(kind)
        self._encoder = msgspec.json.Encoder()
        self._file: int | None = None
        self._lock = threading.Lock()
        self.size = 0

    def read(self) -> list[_Line]:
        """Return all lines of the file; skip lines that are incomplete or of another type.

        If the file does not exist, there are no lines.

        Raises:
            OSError: the file exists and cannot be read.
        """
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
        """Append a line; with ``sync`` return only when the line is on the disk.

        Raises:
            OSError: the line was not written, or only a part of it, which :meth:`read` skips.
        """
        data = self._encoder.encode(line) + b"\n"
        with self._lock:
            try:
                file = self._open()
                self._write(file, data)
            except OSError:
                self._shut()  # reopening the file ends the broken line
                raise
            synced = os.dup(file) if sync else None
        if synced is not None:
            try:
                sync_file(synced)
            finally:
                os.close(synced)

    def _write(self, file: int, data: bytes) -> None:
        written = os.write(file, data)
        self.size += written
        if written < len(data):
            raise OSError(f"{self._path}: the disk is full")

    def replace(self, lines: Iterable[_Line]) -> None:
        """Replace the content of the file by these lines.

        After a power cut the file has either its old lines or all of these.

        Raises:
            OSError: the file cannot be written.
        """
        content = b"".join(self._encoder.encode(line) + b"\n" for line in lines)
        with self._lock:
            replace_file(self._path, content, sync=True)
            self._shut()
            self._open()

    def _shut(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        """Open the file if needed and return its descriptor; end an incomplete last line."""
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(self._path, _FLAGS, 0o600)
            try:
                self._end_last_line(self._file)
            except OSError:
                self._shut()  # else the next line would be written behind the incomplete one
                raise
        return self._file

    def _end_last_line(self, file: int) -> None:
        self.size = os.fstat(file).st_size
        if self.size and os.pread(file, 1, self.size - 1) != b"\n":
            self.size += os.write(file, b"\n")
