"""When sessions want to be woken, in a file of the gateway's home.

A session may have a prompt that comes back: ``/loop``, ``/heartbeat``. Its worker says when the
next one is due before it ends; the gateway starts a worker at that time. Where the session is, the
gateway knows itself: it keeps the source of the session's last message, and takes none from a
worker.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hermes_router.state.state_file import StateFile

#: Seconds between two wake-ups of a session at least, and after one that came to nothing.
SHORTEST = 5.0
RETRY = 60.0

#: Sessions of one profile that are remembered; those that are due last are forgotten.
_MOST = 200


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    source: dict[str, Any]
    at: float


class _Content(msgspec.Struct, kw_only=True):
    sessions: dict[str, dict[str, _Note]] = {}


class Wakeup(NamedTuple):
    """A session that wants to be woken; ``at`` is in seconds since the epoch."""

    profile: str
    key: str
    source: dict[str, Any]
    at: float


class Wakeups:
    """The sessions that want to be woken."""

    def __init__(self, file: Path) -> None:
        self._file = StateFile(file, _Content)
        self._content = self._file.read()

    def note(self, profile: str, key: str, source: Mapping[str, Any], at: float | None) -> None:
        """Note when a session's next prompt is due; None if it has none any more."""
        known = self._content.sessions.get(profile, {})
        if at is None and key not in known:
            return
        if at is None:
            del known[key]
        else:
            known[key] = _Note(source=dict(source), at=max(at, time.time() + SHORTEST))
        nearest = sorted(known.items(), key=lambda item: item[1].at)[:_MOST]
        self._content.sessions[profile] = dict(nearest)
        self._file.write(self._content, "wake-ups")

    def forget(self, wakeup: Wakeup) -> None:
        """Wake a session no more."""
        self.note(wakeup.profile, wakeup.key, {}, None)

    def put_off(self, wakeup: Wakeup) -> None:
        """Wake a session again later, unless its worker says another time."""
        self.note(wakeup.profile, wakeup.key, wakeup.source, time.time() + RETRY)

    def all(self) -> list[Wakeup]:
        """Return them all, the next one first."""
        every = [
            Wakeup(profile, key, note.source, note.at)
            for profile, sessions in self._content.sessions.items()
            for key, note in sessions.items()
        ]
        return sorted(every, key=lambda wakeup: wakeup.at)
