"""The conversations that routed profiles have served, on disk in the gateway's home.

They say which conversations are a profile's where a route asks for more than a target's ids tell,
what people call them, and which was the first: the profile's home channel. Only the gateway writes
them, so that no worker can make a conversation its own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from pathlib import Path

import msgspec

from hermes_router.outbound import Seen

logger = logging.getLogger(__name__)

#: Conversations that are remembered for each profile: the first one, and the latest.
_REMEMBERED = 500


class SeenPlaces:
    """What each profile has served, oldest first, in ``file``; a missing or broken one is empty."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._profiles = _read(file)

    def of(self, profile: str) -> tuple[Seen, ...]:
        """Return the conversations that a profile has served, the first one first."""
        return tuple(self._profiles.get(profile, ()))

    def note(self, profile: str, seen: Seen) -> None:
        """Remember that a profile serves a conversation; its newest names are kept.

        Writes the file when that is news. A full or read-only disk costs the memory of it, not
        the message.
        """
        known = self._profiles.setdefault(profile, [])
        for index, old in enumerate(known):
            if old.place == seen.place:
                if old == seen:
                    return
                known[index] = seen
                break
        else:
            known.append(seen)
            if len(known) > _REMEMBERED:
                del known[1]
        try:
            self._write()
        except OSError as error:
            logger.warning("%s: a conversation could not be noted: %s", self._file, error)

    def _write(self) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=self._file.parent, prefix=f".{self._file.name}-")
        try:
            with os.fdopen(number, "wb") as file:
                file.write(msgspec.json.encode(self._profiles))
            Path(name).replace(self._file)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise


def _read(file: Path) -> dict[str, list[Seen]]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, list[Seen]])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        logger.warning("%s cannot be read and is begun anew: %s", file, error)
        return {}
