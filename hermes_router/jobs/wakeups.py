"""Remember when sessions must be woken, in a file of the gateway's home.

To wake a session is to start a worker for its recurring prompts (``/loop``, ``/heartbeat``). Before
a session's worker ends, it reports when the next prompt is due, and the gateway starts a worker at
that time. The gateway stores the source of the session's last message, and never uses a source that
a worker sends.
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

#: A note that is further from the future than so many seconds was made by a clock that was ahead.
_FUTURE = 60.0


class _Note(msgspec.Struct, frozen=True, kw_only=True):
    source: dict[str, Any]
    at: float
    #: When this was noted, in seconds since the epoch.
    noted: float = 0.0


class _Content(msgspec.Struct, kw_only=True):
    sessions: dict[str, dict[str, _Note]] = {}


class Wakeup(NamedTuple):
    """A session in which a recurring prompt is due at ``at``, in seconds since the epoch.

    ``key`` is the session's key. ``source`` says where its last message came from.
    """

    profile: str
    key: str
    source: dict[str, Any]
    at: float


class Wakeups:
    """For each session with a recurring prompt: when a worker must be started; kept in ``file``.

    At most 200 sessions of a profile are kept, those that are due first. If the file cannot be
    written, the times are kept in memory only.
    """

    def __init__(self, file: Path) -> None:
        self._file = StateFile(file, _Content)
        self._content = self._file.read()

    def note(self, profile: str, key: str, source: Mapping[str, Any], at: float | None) -> None:
        """Store when the next recurring prompt of a session is due, in seconds since the epoch.

        None means that the session has no such prompt any more, and removes it from the file.
        """
        known = self._content.sessions.get(profile, {})
        if at is None and key not in known:
            return
        if at is None:
            del known[key]
        else:
            now = time.time()
            known[key] = _Note(source=dict(source), at=max(at, now + SHORTEST), noted=now)
        nearest = sorted(known.items(), key=lambda item: item[1].at)[:_MOST]
        self._content.sessions[profile] = dict(nearest)
        self._file.write(self._content, "wake-ups")

    def forget(self, wakeup: Wakeup) -> None:
        """Remove a session from the file, so that no worker is started for its prompts any more."""
        self.note(wakeup.profile, wakeup.key, {}, None)

    def put_off(self, wakeup: Wakeup) -> None:
        """Set a session's time to 60 seconds from now; call it before a worker is started for it.

        If that worker fails, the session is tried again then. Else the worker reports a new time.
        """
        self.note(wakeup.profile, wakeup.key, wakeup.source, time.time() + RETRY)

    def all(self) -> list[Wakeup]:
        """Return all sessions that must be woken, the next one first.

        If a session's time was noted by a clock that was ahead, as much of it is left as was then.
        """
        now = time.time()
        for sessions in self._content.sessions.values():
            for key, note in sessions.items():
                if note.noted > now + _FUTURE:
                    at = now + note.at - note.noted
                    sessions[key] = _Note(source=note.source, at=at, noted=now)
        every = [
            Wakeup(profile, key, note.source, note.at)
            for profile, sessions in self._content.sessions.items()
            for key, note in sessions.items()
        ]
        return sorted(every, key=lambda wakeup: wakeup.at)
