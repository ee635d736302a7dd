"""Write down which background work goes on in which worker, in case the gateway dies.

There is one small file for each worker, in the gateway's home. It lists the work that would end
with the worker. A gateway that starts reads the files that the gateway before it left, and tells
the conversations what has ended. The time of a file says when: the gateway renews it as long as it
lives.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import msgspec

from hermes_router.base.tasks import in_thread

logger = logging.getLogger(__name__)


#: Seconds after which the times of the files are renewed.
_RENEWED_SECONDS = 600.0


class Works(msgspec.Struct, frozen=True):
    """The background work that went on in one worker.

    ``source`` is the place of the worker's conversation. ``works`` describes each piece of work in
    words for people. ``turn`` is the id of the worker's turn. ``at`` is when it was last known to
    go on, in seconds since the epoch; it is not written into the file.
    """

    source: dict[str, Any]
    works: list[str]
    turn: str = ""
    at: float = 0.0


class OpenWorks:
    """The notes of one gateway about background work in its workers, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: set[Path] = set()

    def note(self, turn_id: str, source: Mapping[str, Any], works: Sequence[str]) -> None:
        """Write the file about the worker of a turn anew; an empty ``works`` deletes the file.

        This never raises. If the file cannot be written, this is logged, and people are not told if
        the gateway dies.
        """
        path = self._folder / f"{turn_id}.json"
        try:
            if not works:
                self._own.discard(path)
                path.unlink(missing_ok=True)
                return
            self._own.add(path)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(msgspec.json.encode(Works(dict(source), list(works), turn_id)))
        except OSError as error:
            logger.warning("%s: background work could not be written: %s", self._folder, error)

    async def renew(self) -> None:
        """Renew the times of this gateway's files now and then, until cancelled.

        So the next gateway knows when the work was last known to go on.
        """
        while True:
            await anyio.sleep(_RENEWED_SECONDS)
            for path in tuple(self._own):
                with contextlib.suppress(OSError):
                    await in_thread(os.utime, path)

    def left(self) -> list[Works]:
        """Return what the files say that an earlier gateway left; remove files that are garbage.

        That work has ended with the earlier gateway. The caller tells its conversations, and then
        deletes each note by :meth:`note`.
        """
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                works = msgspec.json.decode(path.read_bytes(), type=Works)
                at = path.stat().st_mtime
                found.append(msgspec.structs.replace(works, turn=path.stem, at=at))
            except OSError as error:
                logger.warning("%s cannot be read: %s", path, error)
            except msgspec.MsgspecError:
                with contextlib.suppress(OSError):
                    path.unlink()
        return found
