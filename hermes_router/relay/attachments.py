"""Keep the files that a worker sends on disk until the worker's call that uses them."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from pathlib import Path

from hermes_router.base import scratch
from hermes_router.base.errors import ProtocolError, WorkerOverLimit
from hermes_router.protocol.messages import Chunk, FileRef

#: Maximum number of files of one worker at a time. A normal worker sends one after the other.
MOST_FILES = 64

_LONGEST_NAME = 200


class Spool:
    """The files that one worker has sent, in a folder whose path no worker is told.

    A turn makes one and closes it. At most ``limit`` bytes are kept at once, including files in
    use. With ``addresses`` the worker may also name a file by an ``http`` address, which the
    gateway or the platform fetches: so it has access to the network. ``token`` is a random text,
    different for each worker; the relay uses it to make the numbers of a worker's drafts unique.
    """

    def __init__(self, *, limit: int, addresses: bool = True) -> None:
        self.addresses = addresses
        self.token = secrets.token_hex(8)
        self._limit = limit
        self._sizes: dict[int, int] = {}
        self._claimed: dict[Path, int] = {}
        self._total = 0
        self._folder: Path | None = None
        self._counting = threading.Lock()

    def append(self, chunk: Chunk) -> None:
        """Append a chunk, which the worker has sent, to the file that its stream number names.

        This blocks, so call it in a thread, for one chunk at a time. Meanwhile the event loop may
        claim and release other files.

        Raises:
            WorkerOverLimit: the files together are larger than the limit.
            ProtocolError: there are too many files.
        """
        with self._counting:
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
        """Move a complete file to a path that ends with its own name; return the path.

        The relay gives this path to the adapter, and must :meth:`release` it after the call. A
        second claim of the same file fails.

        Raises:
            ProtocolError: the file is not complete, or its name is no plain file name.
        """
        if self._sizes.get(file.stream, 0) != file.size or not _bare(file.name):
            raise ProtocolError(f"file {file.name[:_LONGEST_NAME]!r} did not arrive as announced")
        source = self._path(file.stream)
        source.touch()
        folder = Path(tempfile.mkdtemp(dir=source.parent))
        path = source.rename(folder / file.name)
        with self._counting:
            self._sizes.pop(file.stream, None)
            self._claimed[path] = file.size
        return path

    def release(self, path: Path) -> None:
        """Remove a claimed file, so that its bytes no longer count towards the limit."""
        with self._counting:
            self._total -= self._claimed.pop(path, 0)
        shutil.rmtree(path.parent, ignore_errors=True)

    def close(self) -> None:
        """Remove all files and their folder, because the worker has ended."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, stream: int) -> Path:
        if self._folder is None:
            self._folder = scratch.make(None, "spool-")
        return self._folder / str(stream)


def _bare(name: str) -> bool:
    """Return True if a name is a plain, printable file name without a path."""
    return (
        name not in {"", ".", ".."}
        and name.isprintable()
        and not set("/\\") & set(name)
        and len(name.encode()) <= _LONGEST_NAME
    )
