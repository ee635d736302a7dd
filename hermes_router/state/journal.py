"""Messages that were accepted and not yet answered, on disk: for the case that the gateway dies.

One small file per open message, in the gateway's home. It says where the message was sent and who
sent it, never what it said. A gateway that starts finds what the one before it left. So it does for
work that lives in a worker: one file per worker, with what would end with it.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

logger = logging.getLogger(__name__)

_Note = TypeVar("_Note")


class Journal:
    """The open messages of one gateway, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def open(self, source: Mapping[str, Any]) -> Iterator[None]:
        """Note a message for as long as the block runs.

        A full or read-only disk costs the note, not the message.
        """
        path = self._folder / f"{uuid.uuid4().hex}.json"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(msgspec.json.encode(source))
        except OSError as error:
            logger.warning("%s: an open message could not be noted: %s", self._folder, error)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def take(self) -> list[dict[str, Any]]:
        """Return the sources of the messages that an earlier gateway left open; forget them."""
        return _take_all(self._folder, dict[str, Any])


class Works(msgspec.Struct, frozen=True):
    """What lived in the worker of the conversation at ``source``."""

    source: dict[str, Any]
    works: list[str]


class OpenWorks:
    """The work that lives in the workers of one gateway, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, turn_id: str, source: Mapping[str, Any], works: Sequence[str]) -> None:
        """Note the works of a turn's worker in place of what was noted; none are forgotten.

        A full or read-only disk costs the note, not the work.
        """
        path = self._folder / f"{turn_id}.json"
        try:
            if not works:
                path.unlink(missing_ok=True)
                return
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(msgspec.json.encode(Works(dict(source), list(works))))
        except OSError as error:
            logger.warning("%s: background work could not be noted: %s", self._folder, error)

    def take(self) -> list[Works]:
        """Return the works that ended with an earlier gateway untold; forget them."""
        return _take_all(self._folder, Works)


def _take_all(folder: Path, kind: type[_Note]) -> list[_Note]:
    found = []
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found.append(msgspec.json.decode(path.read_bytes(), type=kind))
        with contextlib.suppress(OSError):
            path.unlink()
    return found
