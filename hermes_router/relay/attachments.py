"""The bytes of files that a worker sends, kept on disk until the call that refers to them."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from pathlib import Path

from hermes_router import scratch
from hermes_router.errors import ProtocolError, WorkerOverLimit
from hermes_router.protocol.messages import Chunk, FileRef

#: Files of one worker that may lie here at once; a good one sends one after the other.
MOST_FILES = 64

_LONGEST_NAME = 200


class Spool:
    """Files of one worker, in a folder that only the gateway's side knows.

    ``limit`` is the most bytes that may lie here at once, those of files in use included.
    ``addresses`` says whether the worker may also name a file by an ``http`` address, which the
    gateway or the platform then fetches: that is a way into the network. ``token`` is different for
    each worker.
    """

    def __init__(self, *, limit: int, addresses: bool = True) -> None:
        self.addresses = addresses
        self.token = secrets.token_hex(8)
        self._limit = limit
        self._sizes: dict[int, int] = {}
        self._claimed: dict[Path, int] = {}
        self._total = 0
        self._folder: Path | None = None

    def append(self, chunk: Chunk) -> None:
        """Write one piece; raises ``WorkerOverLimit`` or ``ProtocolError`` for too much."""
        if self._total + len(chunk.data) > self._limit:
            raise WorkerOverLimit(
                f"the worker exceeded limits.file_bytes, {self._limit} bytes of files at once",
                limit="file_bytes",
                allowed=self._limit,
            )
        if chunk.stream not in self._sizes and len(self._sizes) >= MOST_FILES:
            raise ProtocolError(f"the worker sent more than {MOST_FILES} files at once")
        self._sizes[chunk.stream] = self._sizes.get(chunk.stream, 0) + len(chunk.data)
        self._total += len(chunk.data)
        with self._path(chunk.stream).open("ab") as file:
            file.write(chunk.data)

    def claim(self, file: FileRef) -> Path:
        """Return the complete file's path, under its own name; it is the caller's to release.

        Raises:
            ProtocolError: it is not complete, or its name is no bare file name.
        """
        if self._sizes.get(file.stream, 0) != file.size or not _bare(file.name):
            raise ProtocolError(f"file {file.name[:_LONGEST_NAME]!r} did not arrive as announced")
        source = self._path(file.stream)
        source.touch()
        folder = Path(tempfile.mkdtemp(dir=source.parent))
        path = source.rename(folder / file.name)
        self._sizes.pop(file.stream, None)
        self._claimed[path] = file.size
        return path

    def release(self, path: Path) -> None:
        """Remove a claimed file."""
        self._total -= self._claimed.pop(path, 0)
        shutil.rmtree(path.parent, ignore_errors=True)

    def close(self) -> None:
        """Remove everything."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, stream: int) -> Path:
        if self._folder is None:
            self._folder = scratch.make(None, "spool-")
        return self._folder / str(stream)


def _bare(name: str) -> bool:
    """Say whether a name is a plain, printable file name."""
    return (
        name not in {"", ".", ".."}
        and name.isprintable()
        and not set("/\\") & set(name)
        and len(name.encode()) <= _LONGEST_NAME
    )
