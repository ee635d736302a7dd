"""What the gateway remembers in a file of its home: read once, then written whole."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from hermes_router.protocol.files.whole_file import replace_file

logger = logging.getLogger(__name__)

_Content = TypeVar("_Content")


class StateFile(Generic[_Content]):
    """A JSON file at ``path`` whose content is a ``kind``, which can be empty: ``kind()``."""

    def __init__(self, path: Path, kind: type[_Content]) -> None:
        self._path = path
        self._kind = kind

    def read(self) -> _Content:
        """Return the content; a missing or broken file is empty, a broken one is logged."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=self._kind)
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError) as error:
            logger.warning("%s cannot be read and is begun anew: %s", self._path, error)
        return self._kind()

    def write(self, content: _Content, what: str) -> None:
        """Replace the content; on a full or read-only disk the log says that ``what`` is lost."""
        try:
            replace_file(self._path, msgspec.json.encode(content))
        except OSError as error:
            logger.warning("%s: %s could not be noted: %s", self._path, what, error)
