"""Remember when sessions must be woken, in a file of the gateway's home.

A session may have a recurring prompt (``/loop``, ``/heartbeat``). Before its worker ends, it
reports when the next prompt is due, and the gateway starts a worker at that time. The gateway
stores the source of the session's last message, and never uses a source that a worker sends.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from hermes_router.state.state_file import StateFile

#: Seconds between two wake-ups of a session, at least; and seconds until a failed one is repeated.
SHORTEST = 5.0
RETRY = 60.0

#: Maximum number of remembered sessions of a profile; those that are due last are dropped.
_MOST = 200


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    source: dict[str, Any]
    at: float


class _Content(msgspec.Struct, kw_only=True):
    sessions: dict[str, dict[str, _Note]] = {}


class Wakeup(NamedTuple):
    """A session that must be woken at the Unix time ``at``, in seconds."""

    profile: str
    key: str
    source: dict[str, Any]
    at: float


class Wakeups:
    """The sessions that must be woken, stored in ``file``."""

    def __init__(self, file: Path) -> None:
        self._file = StateFile(file, _Content)
        self._content = self._file.read()

    def note(self, profile: str, key: str, source: Mapping[str, Any], at: float | None) -> None:
        """Store when a session's next prompt is due, in Unix seconds; None removes the session."""
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
        """Remove a session: it is not woken any more."""
        self.note(wakeup.profile, wakeup.key, {}, None)

    def put_off(self, wakeup: Wakeup) -> None:
        """Wake a session again after 60 s, unless its worker reports another time."""
        self.note(wakeup.profile, wakeup.key, wakeup.source, time.time() + RETRY)

    def all(self) -> list[Wakeup]:
        """Return all sessions that must be woken, the next one first."""
        every = [
            Wakeup(profile, key, note.source, note.at)
            for profile, sessions in self._content.sessions.items()
            for key, note in sessions.items()
        ]
        return sorted(every, key=lambda wakeup: wakeup.at)
