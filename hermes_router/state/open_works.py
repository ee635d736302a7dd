"""Write down which background work lives in which worker, in case the gateway dies.

There is one small file for each worker, in the gateway's home. It lists the work that would end
with the worker. A gateway that starts reads the files that the gateway before it left, and tells
the conversations what has ended.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

logger = logging.getLogger(__name__)


class Works(msgspec.Struct, frozen=True):
    """The background work that lived in one worker.

    ``source`` is the place of the worker's conversation. ``works`` describes each piece of work in
    words for people. ``turn`` is the id of the worker's turn.
    """

    source: dict[str, Any]
    works: list[str]
    turn: str = ""


class OpenWorks:
    """The notes of one gateway about background work in its workers, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def note(self, turn_id: str, source: Mapping[str, Any], works: Sequence[str]) -> None:
        """Write the file about the worker of a turn anew; an empty ``works`` deletes the file.

        This never raises. If the file cannot be written, people may not be told what ended.
        """
        path = self._folder / f"{turn_id}.json"
        try:
            if not works:
                path.unlink(missing_ok=True)
                return
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(msgspec.json.encode(Works(dict(source), list(works), turn_id)))
        except OSError as error:
            logger.warning("%s: background work could not be written: %s", self._folder, error)

    def left(self) -> list[Works]:
        """Return what the files say that an earlier gateway left; remove files that are garbage.

        That work has ended with the earlier gateway. The caller tells its conversations, and then
        deletes each note by :meth:`note`.
        """
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                works = msgspec.json.decode(path.read_bytes(), type=Works)
                found.append(msgspec.structs.replace(works, turn=path.stem))
            except OSError as error:
                logger.warning("%s cannot be read: %s", path, error)
            except msgspec.MsgspecError:
                with contextlib.suppress(OSError):
                    path.unlink()
        return found
