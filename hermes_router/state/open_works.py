"""Work that lives in workers, on disk: for the case that the gateway dies.

One small file per worker, in the gateway's home, with what would end with it. A gateway that starts
finds what the one before it left.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

logger = logging.getLogger(__name__)

_Note = TypeVar("_Note")


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
