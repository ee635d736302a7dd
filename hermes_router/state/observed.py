"""Write the observed messages of a routed place, and their files, into its profile's home.

An observed message is a message of a group that was not for the bot; it is kept as context.
"""

from __future__ import annotations

import contextlib
import errno
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

#: Maximum bytes that wait for one place. If no worker reads them, later messages are dropped.
LIMIT = 1024 * 1024

#: Maximum bytes of files that wait in one home, unless one file may be larger. If a new file needs
#: room, the oldest files are removed.
FILES_LIMIT = 256 * 1024 * 1024

_ATTEMPTS = 3
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW


def write_down(
    home: Path, source: Mapping[str, Any], entry: Mapping[str, Any], files: Sequence[File] = ()
) -> None:
    """Append an observed message to the file that the next worker of its place reads.

    This does not wait. ``home`` is the profile's home, ``source`` says where the message came from,
    and ``entry`` is what Hermes would write into the transcript. ``files`` are its attachments,
    kept by :func:`keep_file`; if the message cannot be written, they are removed. No link below
    ``home`` is followed, because the profile's processes can write there.

    Raises:
        OSError: the message cannot be written, or the place's file is full.
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
    raise BlockingIOError(f"a worker is just taking the file of observed messages in {home}")


def _append(folder: int, name: str, line: bytes) -> bool:
    """Append a line; return False if a worker has just taken the file away."""
    file = os.open(name, _APPEND, 0o600, dir_fd=folder)
    try:
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode) or state.st_size + len(line) > LIMIT:
            raise OSError(f"{name} is full, or not a regular file")
        try:
            if not try_lock(file):
                return False
            named = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if (named.st_dev, named.st_ino) != (state.st_dev, state.st_ino):
            return False
        _write_whole(file, line)
        return True
    finally:
        os.close(file)


def _write_whole(file: int, line: bytes) -> None:
    """Append a line whole or not at all: of half a line, the next one would become a part."""
    size = os.fstat(file).st_size
    written = 0
    try:
        written = os.write(file, line)
    finally:
        if written < len(line):
            os.ftruncate(file, size)
    if written < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# -- files -------------------------------------------------------------------------------------


def keep_file(home: Path, path: Path, largest: int) -> str:
    """Copy an attachment into the profile's home for the next worker; return the copy's name.

    The attachments that wait in a home may have 256 MiB together, or ``largest`` bytes if that is
    more. The oldest are removed to make room. This blocks while it copies.

    Raises:
        OSError: the file cannot be read, or the copy cannot be written.
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
    """Remove the oldest waiting files, until ``size`` more bytes are within ``limit``."""
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
    """Make the folder of these files if needed, and open it."""
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
