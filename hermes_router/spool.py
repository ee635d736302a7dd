"""The bytes of files that a worker sends, kept on disk until the call that refers to them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hermes_router.errors import ProtocolError
from hermes_router.protocol.messages import Chunk, FileRef


class Spool:
    """Files of one worker, in a folder that only the gateway's side knows.

    ``limit`` is the most bytes that may lie here at once.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._sizes: dict[int, int] = {}
        self._folder: Path | None = None

    def append(self, chunk: Chunk) -> None:
        """Write one piece; raises ``ProtocolError`` when the limit is crossed."""
        if sum(self._sizes.values()) + len(chunk.data) > self._limit:
            raise ProtocolError(f"the worker sent more than {self._limit} bytes of files at once")
        self._sizes[chunk.stream] = self._sizes.get(chunk.stream, 0) + len(chunk.data)
        with self._path(chunk.stream).open("ab") as file:
            file.write(chunk.data)

    def claim(self, file: FileRef) -> Path:
        """Return the complete file's path, under its own name; it is the caller's to release.

        Raises:
            ProtocolError: it is not complete, or its name is no bare file name.
        """
        if self._sizes.pop(file.stream, 0) != file.size or Path(file.name).name != file.name:
            raise ProtocolError(f"file {file.name!r} did not arrive as announced")
        source = self._path(file.stream)
        source.touch()
        folder = source.with_suffix(".claimed")
        folder.mkdir()
        return source.rename(folder / file.name)

    def release(self, path: Path) -> None:
        """Remove a claimed file."""
        shutil.rmtree(path.parent, ignore_errors=True)

    def close(self) -> None:
        """Remove everything."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, stream: int) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="hermes-router-spool-"))
        return self._folder / str(stream)
