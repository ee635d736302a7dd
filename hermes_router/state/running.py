"""What the gateway that runs is and does, in a file of its home that only its owner reads.

The gateway writes it when it starts and with each table that it takes or refuses, and removes it
when it stops. The commands compare it with what is on disk: a gateway may run older code, or an
older table.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from hermes_router.config.digest import digest
from hermes_router.config.model import RouterConfig
from hermes_router.errors import ConfigError
from hermes_router.protocol.files.whole_file import replace_file
from hermes_router.protocol.messages import PROTOCOL_VERSION
from hermes_router.protocol.system.pids import is_running, start_time
from hermes_router.protocol.system.versions import hermes_version, router_version

logger = logging.getLogger(__name__)

#: The file, below the gateway's home.
PLACE = Path("hermes-router", "running.json")


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """The code of one installation: a Python, versions, and what its source files hold."""

    python: str
    router: str
    hermes: str | None
    protocol: int
    router_code: str
    hermes_code: str


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway with the router in it.

    ``start_time`` is the system's, to tell the process from a later one of the same number.
    ``table`` is the digest of the table in force, None if there never was one; ``refused`` says why
    the last edit was not taken.
    """

    pid: int
    start_time: int | None
    since: float
    code: Installed
    table: str | None = None
    routes: int = 0
    files: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


class RunningRecord:
    """Keeps the file of one gateway."""

    def __init__(self, home: Path) -> None:
        self._path = home / PLACE
        self._of: tuple[int, int] | None = None
        self._start = Running(
            pid=os.getpid(),
            start_time=start_time(os.getpid()),
            since=time.time(),
            code=installed(),
        )

    def note(self, config: RouterConfig | None, error: ConfigError | None) -> None:
        """Write the file if the table in force or the refused edit is another than before."""
        of = (id(config), id(error))
        if of == self._of:
            return
        self._of = of
        record = msgspec.structs.replace(
            self._start,
            table=digest(config) if config else None,
            routes=len(config.table) if config else 0,
            files=tuple(str(file) for file in config.files) if config else (),
            refused=tuple(str(problem) for problem in error.problems) if error else (),
        )
        try:
            replace_file(self._path, msgspec.json.encode(record))
        except OSError as failure:
            logger.warning("%s cannot be written: %s", self._path, failure)

    def remove(self) -> None:
        """Remove the file: the gateway stops."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as failure:
            logger.warning("%s cannot be removed: %s", self._path, failure)


def read(home: Path) -> Running | None:
    """Return the record of the gateway that runs on ``home``; None without one, or an old one's.

    Raises:
        PermissionError: the record is another user's.
    """
    try:
        data = (home / PLACE).read_bytes()
    except PermissionError:
        raise
    except OSError:
        return None
    try:
        record = msgspec.json.decode(data, type=Running)
    except msgspec.MsgspecError:
        return None
    if not is_running(record.pid) or start_time(record.pid) != record.start_time:
        return None
    return record


def installed() -> Installed:
    """Return what is installed in this Python now: its files, not what was imported from them."""
    packages = ("hermes_router", "hermes_router_worker")
    return Installed(
        python=sys.executable,
        router=router_version(),
        hermes=hermes_version(),
        protocol=PROTOCOL_VERSION,
        router_code=_digest(map(_content, (f for name in packages for f in _sources(name)))),
        hermes_code=_digest(map(_look, _of_hermes())),
    )


def _folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _sources(package: str) -> list[Path]:
    folder = _folder(package)
    return sorted(folder.rglob("*.py")) if folder else []


def _of_hermes() -> list[Path]:
    """Return files of Hermes that every release of it changes."""
    folders = [folder for name in ("gateway", "hermes_cli") if (folder := _folder(name))]
    return [file for folder in folders for file in sorted(folder.glob("*.py"))]


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _look(file: Path) -> bytes:
    """Return size and age alone: Hermes is large, and an update writes its files anew."""
    try:
        stat = file.stat()
    except OSError:
        return b""
    return f"{file.name} {stat.st_size} {stat.st_mtime_ns}".encode(errors="replace")


def _digest(parts: Iterable[bytes]) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
