"""Messages that were accepted and not yet answered, on disk: for the case that the gateway dies.

One small file per open message, in the gateway's home. It says where the message was sent and who
sent it, never what it said. A gateway that starts finds what the one before it left.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

logger = logging.getLogger(__name__)


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
        found = []
        for path in sorted(self._folder.glob("*.json")):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                source = msgspec.json.decode(path.read_bytes())
                if isinstance(source, dict):
                    found.append(source)
            with contextlib.suppress(OSError):
                path.unlink()
        return found
