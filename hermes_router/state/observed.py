"""Writing down the chatter of a routed place, and its files, in its profile's home."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hermes_router.protocol.files.lock import try_lock
from hermes_router.protocol.files.observed import FILE_PREFIX, FOLDER, File, file_name

#: Bytes that may wait for one place. Chatter is context, and the newest matters; who reads none of
#: it for so long gets the oldest.
LIMIT = 1024 * 1024

#: Bytes of files that may wait in one home, unless one file may have more. The oldest make room.
FILES_LIMIT = 256 * 1024 * 1024

_ATTEMPTS = 3
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def write_down(
    home: Path, source: Mapping[str, Any], entry: Mapping[str, Any], files: Sequence[File] = ()
) -> None:
    """Append one message to what waits for a worker of the place. Does not block.

    ``files`` are those of the message, kept by :func:`keep_file`; they go if the message does.
    No link is followed below ``home``: what lies there is the profile's to change.

    Raises:
        OSError: it cannot be written, or the place's file is full.
    """
    try:
        _write_down(home, source, {"source": source, "entry": entry, "files": list(files)})
    except OSError:
        _forget(home, files)
        raise


def _write_down(home: Path, source: Mapping[str, Any], what: Mapping[str, Any]) -> None:
    line = json.dumps(what, ensure_ascii=False).encode() + b"\n"
    name = file_name(source["platform"], source["chat_id"], source.get("thread_id"))
    with _folder(home) as folder:
        for _attempt in range(_ATTEMPTS):
            if _append(folder, name, line):
                return
    raise BlockingIOError(f"the file for what is overheard in {home} is being taken")


def _append(folder: int, name: str, line: bytes) -> bool:
    """Append a line; False where a worker has just taken the file."""
    file = os.open(name, _APPEND, 0o600, dir_fd=folder)
    try:
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode) or state.st_size + len(line) > LIMIT:
            raise OSError(f"{name} is full, or no regular file")
        try:
            if not try_lock(file):
                return False
            named = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if (named.st_dev, named.st_ino) != (state.st_dev, state.st_ino):
            return False
        os.write(file, line)
        return True
    finally:
        os.close(file)


# -- files -------------------------------------------------------------------------------------


def keep_file(home: Path, path: Path, largest: int) -> str:
    """Copy a file to where it waits for a worker; return its name there. Takes a while.

    Raises:
        OSError: it cannot be read or written.
    """
    stored = f"{FILE_PREFIX}{uuid.uuid4().hex}"
    with path.open("rb") as source, _folder(home) as folder:
        _make_room(folder, os.fstat(source.fileno()).st_size, max(FILES_LIMIT, largest))
        try:
            with os.fdopen(os.open(stored, _CREATE, 0o600, dir_fd=folder), "wb") as target:
                shutil.copyfileobj(source, target)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(stored, dir_fd=folder)
            raise
    return stored


def _make_room(folder: int, size: int, limit: int) -> None:
    """Remove the oldest files that wait, until another one is within the limit."""
    waiting = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(FILE_PREFIX):
                with contextlib.suppress(FileNotFoundError):  # a worker has just taken it
                    state = entry.stat(follow_symlinks=False)
                    waiting.append((state.st_mtime_ns, entry.name, state.st_size))
    total = size + sum(each for _, _, each in waiting)
    for _, name, each in sorted(waiting):
        if total <= limit:
            break
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
        total -= each


def _forget(home: Path, files: Sequence[File]) -> None:
    with contextlib.suppress(OSError), _folder(home) as folder:
        for file in files:
            os.unlink(file["stored"], dir_fd=folder)


@contextlib.contextmanager
def _folder(home: Path) -> Iterator[int]:
    """Open the folder of these files, which is made if needed."""
    folder = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in FOLDER:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=folder)
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)
