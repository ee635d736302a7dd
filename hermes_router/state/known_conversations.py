"""Remember the conversations that routed profiles have served, in a file of the gateway's home.

The delivery policy uses them in three ways. A route may depend on more than a target's ids, for
example on the server or the sender; a known conversation has these too. Known conversations also
have the names that people gave them. And the first conversation of a profile is its default home
channel. Only the gateway writes the file, so a worker cannot claim a conversation.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hermes_router.routing.table import Place
from hermes_router.state.state_file import StateFile

#: Maximum number of remembered conversations of a profile: the first one and the newest ones.
_REMEMBERED = 500


class KnownConversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that the gateway has seen: its place, its name and its kind of chat.

    ``name`` is what people see, such as the titles of the group and the topic. ``kind`` is Hermes's
    chat type, such as ``dm`` or ``group``. Both are empty if they are not known.
    """

    place: Place
    name: str = ""
    kind: str = ""


def file_of(home: Path) -> Path:
    """Return the file in which the gateway with this home remembers conversations."""
    return home / "hermes-router" / "conversations.json"


class KnownConversations:
    """The conversations that each profile has served, stored in ``file``; the first served first.

    The first one and the newest 499 of a profile are kept. A missing or broken file counts as
    empty, and is written anew with the next conversation.
    """

    def __init__(self, file: Path) -> None:
        self._file = StateFile(file, dict[str, list[KnownConversation]])
        self._profiles = self._file.read()

    def of(self, profile: str) -> tuple[KnownConversation, ...]:
        """Return the conversations that a profile has served, the first one first.

        The delivery policy gets them as ``seen``.
        """
        return tuple(self._profiles.get(profile, ()))

    def note(self, profile: str, seen: KnownConversation) -> None:
        """Remember that a profile serves a conversation, with its newest name.

        The file is written if something changed. If it cannot be written, the conversation is kept
        in memory, and the next call tries again.
        """
        known = self._profiles.setdefault(profile, [])
        for index, old in enumerate(known):
            if old.place == seen.place:
                if old == seen and not self._file.unsaved:
                    return
                known[index] = seen
                break
        else:
            known.append(seen)
            if len(known) > _REMEMBERED:
                del known[1]
        self._file.write(self._profiles, "a conversation")
