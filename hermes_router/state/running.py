"""The record of the running gateway: a file in its home, readable by its owner only.

The gateway writes the file when it starts, and whenever it accepts or refuses a route table. It
removes the file when it stops. The commands compare the record with the code and configuration on
disk, because the gateway may still run older code or an older table.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from hermes_router.base.errors import ConfigError
from hermes_router.config.digest import digest
from hermes_router.config.model import RouterConfig
from hermes_router.config.stamps import Stamps, stamp_of
from hermes_router.protocol.files.whole_file import replace_file
from hermes_router.protocol.messages import PROTOCOL_VERSION
from hermes_router.protocol.system import sources
from hermes_router.protocol.system.pids import is_running, start_time
from hermes_router.protocol.system.versions import hermes_version, router_version

logger = logging.getLogger(__name__)

#: The file, below the gateway's home.
PLACE = Path("hermes-router", "running.json")


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """The code of one installation: its Python, its versions, and digests of its source files.

    ``hermes_code`` is the digest of the sizes and times of Hermes's files. Only a gateway also
    notes ``hermes_content``, the digest of their content, a moment after its start;
    :func:`is_other_hermes` compares both.
    """

    python: str
    router: str
    hermes: str | None
    protocol: int
    router_code: str
    hermes_code: str
    hermes_content: str = ""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A running gateway that has the router.

    ``start_time`` is the kernel's start time of the process: it tells the process from a later one
    with the same pid. ``since`` is in Unix seconds. ``table`` is the digest of the route table in
    use, None if there never was one. ``refused`` says why the last edit was refused, ``seen`` what
    the files of the configuration looked like when they were last read.
    """

    pid: int
    start_time: int | None
    since: float
    code: Installed
    table: str | None = None
    routes: int = 0
    files: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    seen: Stamps = {}

    def edited(self) -> bool:
        """Return True if a file of the configuration has changed since the gateway last read it."""
        return any(stamp_of(file) != seen for file, seen in self.seen.items())


class RunningRecord:
    """Writes the record of this process's gateway into the gateway's home."""

    def __init__(self, home: Path) -> None:
        self._path = home / PLACE
        self._of: tuple[int, int] | None = None
        self._written = True
        self._record = Running(
            pid=os.getpid(),
            start_time=start_time(os.getpid()),
            since=time.time(),
            code=installed(),
        )

    def note(
        self, config: RouterConfig | None, error: ConfigError | None, seen: Stamps | None = None
    ) -> None:
        """Write the file anew, if one of the arguments is another object than at the last call.

        ``config`` is the configuration in force, or None. ``error`` says why the last edit of it
        was refused; None if it was not. ``seen`` are the stamps of its files when they were read. A
        file that cannot be written is logged, once until it can, and each call tries again.
        """
        of = (id(config), id(error))
        if of == self._of:
            if not self._written:
                self._write()
            return
        self._of = of
        self._record = msgspec.structs.replace(
            self._record,
            table=digest(config) if config else None,
            routes=len(config.table) if config else 0,
            files=tuple(str(file) for file in config.files) if config else (),
            refused=tuple(str(problem) for problem in error.problems) if error else (),
            seen=seen or {},
        )
        self._write()

    def note_hermes(self, content: str) -> None:
        """Write the file anew with the digest of what Hermes's files held at the start.

        A command can then tell whether Hermes was updated under the running gateway.
        """
        code = msgspec.structs.replace(self._record.code, hermes_content=content)
        self._record = msgspec.structs.replace(self._record, code=code)
        self._write()

    def _write(self) -> None:
        try:
            replace_file(self._path, msgspec.json.encode(self._record))
        except OSError as failure:
            level = logging.WARNING if self._written else logging.DEBUG
            logger.log(level, "%s cannot be written: %s", self._path, failure)
            self._written = False
        else:
            self._written = True

    def remove(self) -> None:
        """Delete the file, because the gateway stops: :func:`read` then returns None."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as failure:
            logger.warning("%s cannot be removed: %s", self._path, failure)


def read(home: Path) -> Running | None:
    """Return the record of the gateway that runs with this home; None if none runs.

    Commands ask this to find the gateway and what it has loaded.

    Raises:
        PermissionError: the record belongs to another user.
    """
    record = _last(home)
    return record if record is not None and _runs(record) else None


def was_killed(home: Path) -> bool:
    """Return True if a gateway of this home ended without removing its record.

    False if it runs, if it stopped in order, and if none ever ran.

    Raises:
        PermissionError: the record belongs to another user.
    """
    record = _last(home)
    return record is not None and not _runs(record)


def _last(home: Path) -> Running | None:
    """Return the record in a home, whether its gateway runs or not; None if there is none."""
    try:
        return msgspec.json.decode((home / PLACE).read_bytes(), type=Running)
    except PermissionError:
        raise
    except (OSError, msgspec.MsgspecError):
        return None


def _runs(record: Running) -> bool:
    return is_running(record.pid) and start_time(record.pid) == record.start_time


def installed() -> Installed:
    """Return the code that is on disk for this Python now; it may differ from the imported code.

    Commands compare it with that of the running gateway.
    """
    return Installed(
        python=sys.executable,
        router=router_version(),
        hermes=hermes_version(),
        protocol=PROTOCOL_VERSION,
        router_code=_digest(map(sources.content, sources.of_router())),
        hermes_code=_digest(map(_told_by, sources.of_hermes())),
    )


def is_other_hermes(running: Installed, now: Installed) -> bool:
    """Return True if Hermes on disk (``now``) differs from the Hermes that a gateway runs.

    Only the content counts. It is read if sizes or times differ, because Hermes is large to read.
    """
    if now.hermes_code == running.hermes_code:
        return False
    now_content = sources.joined({file: sources.digest(file) for file in sources.of_hermes()})
    return now_content != running.hermes_content


def _told_by(file: Path) -> bytes:
    """Return a file's name, size and time; an update changes them, and Hermes is large to read."""
    seen = sources.look(file)
    return b"" if seen is None else f"{file.name} {seen[0]} {seen[1]}".encode(errors="replace")


def _digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
