"""The records of turns: a file of JSON lines for each profile, in the gateway's home.

The gateway writes them, the commands ``turns`` and ``doctor`` read them, and so does ``/router``.
The size of a file is limited. A turn is recorded when its answer is delivered, and again when its
worker has ended. Of lines with the same turn and number, the last one is complete. If the disk is
full, only the record is lost, not the turn. A line that was cut off does not damage the next one.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from hermes_router.profiles.model import PROFILE_NAME
from hermes_router.turns.story import TurnReport

logger = logging.getLogger(__name__)

#: Bytes at which a profile's file is rotated; one older file is kept. Each file has room for more
#: than 10,000 turns, because a turn writes two lines, and a line has about 650 bytes.
MAX_BYTES = 16 * 1024 * 1024
_NO_PROFILE = "_"
"""The name of the file for turns whose profile has no valid name."""

_ENDING, _OLDER = ".jsonl", ".jsonl.1"

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(TurnReport)


def folder_of(home: Path) -> Path:
    """Return the folder in which the gateway with this home keeps the records of turns."""
    return home / "hermes-router" / "turns"


class Records:
    """Writes the reports of turns into ``folder``, for one gateway."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._broken = False

    def add(self, report: TurnReport) -> None:
        """Append one report to the file of its profile.

        If that fails, this logs it, once until writing works again.
        """
        try:
            self._append(report.profile, _encoder.encode(report) + b"\n")
            self._broken = False
        except OSError as error:
            if not self._broken:
                logger.warning("%s: turns cannot be recorded: %s", self._folder, error)
            self._broken = True

    def _append(self, profile: str, line: bytes) -> None:
        name = profile if PROFILE_NAME.match(profile) else _NO_PROFILE
        path = self._folder / f"{name}{_ENDING}"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            _write_line(descriptor, size, line)
        finally:
            os.close(descriptor)
        if size + len(line) > self._max_bytes:
            path.replace(path.with_name(f"{name}{_OLDER}"))


def _write_line(descriptor: int, size: int, line: bytes) -> None:
    """Append a line to a file of ``size`` bytes; end its last line first if that was cut off.

    Raises:
        OSError: the line could not be written, or not all of it.
    """
    if size and os.pread(descriptor, 1, size - 1) != b"\n":
        line = b"\n" + line
    if os.write(descriptor, line) < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read(
    folder: Path, profile: str | None = None, *, earliest: datetime | None = None
) -> list[TurnReport]:
    """Return the recorded turns of one profile or of all, in the order in which they arrived.

    With ``earliest``, these are only the turns whose message arrived then or later. The other
    lines are not kept in memory.
    """
    found: dict[tuple[str, int], TurnReport] = {}
    for path in _files(folder, profile):
        for report in since(_lines(path), earliest):
            found[report.turn, report.number] = report
    return sorted(found.values(), key=lambda report: report.at)


def has(folder: Path, profile: str) -> bool:
    """Return True if turns of this profile are recorded, even if it was removed since."""
    return bool(_files(folder, profile))


def since(reports: Iterable[TurnReport], moment: datetime | None) -> Iterator[TurnReport]:
    """Yield the reports whose message arrived at ``moment`` or later; all for None."""
    for report in reports:
        if moment is None or ((at := arrived(report)) and at >= moment):
            yield report


def arrived(report: TurnReport) -> datetime | None:
    """Return when a turn's message arrived; None if the record has no valid time."""
    try:
        return datetime.fromisoformat(report.at)
    except ValueError:
        return None


def _files(folder: Path, profile: str | None) -> list[Path]:
    try:
        paths = [path for path in folder.iterdir() if path.name.endswith((_ENDING, _OLDER))]
    except FileNotFoundError:
        return []
    if profile is not None:
        paths = [path for path in paths if path.name.partition(".")[0] == profile]
    return sorted(paths, key=lambda path: (path.name.endswith(_ENDING), path.name))


def _lines(path: Path) -> Iterator[TurnReport]:
    """Yield the reports of a file; skip lines that are incomplete or broken."""
    try:
        file = path.open("rb")
    except FileNotFoundError:  # just rotated
        return
    with file:
        for line in file:
            try:
                yield _decoder.decode(line)
            except msgspec.MsgspecError:
                continue
