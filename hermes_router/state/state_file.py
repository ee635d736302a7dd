"""A JSON file in the gateway's home, which is read once and then always written as a whole."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from hermes_router.protocol.files.old_file import remove_if_older
from hermes_router.protocol.files.whole_file import replace_file

logger = logging.getLogger(__name__)

#: Seconds after which a file under a temporary name belongs to nobody.
_UNFINISHED_SECONDS = 3600.0

_Content = TypeVar("_Content")


class StateFile(Generic[_Content]):
    """A JSON file at ``path`` that holds one value of the type ``kind``.

    If the file is missing or broken, the value is ``kind()``. ``unsaved`` is True after a write
    that failed.
    """

    def __init__(self, path: Path, kind: type[_Content]) -> None:
        self._path = path
        self._kind = kind
        self.unsaved = False

    def read(self) -> _Content:
        """Return the value in the file; for a missing or broken file, return an empty value.

        A broken file is logged, and the next :meth:`write` replaces it.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=self._kind)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError) as error:
            logger.warning(
                "%s cannot be read, so it is replaced by an empty one: %s", self._path, error
            )
        return self._kind()

    def write(self, content: _Content, what: str) -> None:
        """Replace the value in the file; if that fails, log it, once until it succeeds.

        ``what`` names the content in the log line, such as "wake-ups".
        """
        try:
            replace_file(self._path, msgspec.json.encode(content))
        except OSError as error:
            level = logging.DEBUG if self.unsaved else logging.WARNING
            logger.log(level, "%s: %s could not be written: %s", self._path, what, error)
            self.unsaved = True
        else:
            self.unsaved = False


def remove_unfinished(folder: Path) -> int:
    """Remove what killed gateways left half written in their folder; return how many files.

    A file has a temporary name until it is complete. This does not raise.
    """
    return sum(remove_if_older(path, _UNFINISHED_SECONDS) for path in folder.glob(".*-????????"))
