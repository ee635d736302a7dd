"""The conversations that routed profiles have served, on disk in the gateway's home.

They say which conversations are a profile's where a route asks for more than a target's ids tell,
what people call them, and which was the first: the profile's home channel. Only the gateway writes
them, so that no worker can make a conversation its own.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hermes_router.routing.table import Place
from hermes_router.state.state_file import StateFile

#: Conversations that are remembered for each profile: the first one, and the latest.
_REMEMBERED = 500


class KnownConversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as the gateway has seen it: all that routes may ask for, and its names."""

    place: Place
    name: str = ""
    kind: str = ""


class KnownConversations:
    """What each profile has served, oldest first, in ``file``; a missing or broken one is empty."""

    def __init__(self, file: Path) -> None:
        self._file = StateFile(file, dict[str, list[KnownConversation]])
        self._profiles = self._file.read()

    def of(self, profile: str) -> tuple[KnownConversation, ...]:
        """Return the conversations that a profile has served, the first one first."""
        return tuple(self._profiles.get(profile, ()))

    def note(self, profile: str, seen: KnownConversation) -> None:
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
        self._file.write(self._profiles, "a conversation")
