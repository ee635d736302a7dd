"""Which slash commands a chat's menu offers: those of the profiles that answer in it.

A platform has one menu per chat, even where topics of the chat are answered by different profiles:
it gets what all of them have, then by turns what only some of them have, as far as there is room.
What a profile has, its workers say after a turn; it is kept in the gateway's home, with what each
chat's menu was last set to. A worker is not trusted: a name is a word, a description one short
line, and both stand in menus of chats of its own profile only.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from hermes_router.config.model import Decision, RouterConfig
from hermes_router.routing.table import Place
from hermes_router.state.state_file import StateFile

Commands = list[tuple[str, str]]
"""Names without a slash, each with its description, in the order of the menu."""

#: Commands that one profile may offer.
MOST = 100

#: Chats whose menus are remembered; older ones are set again when somebody writes there.
_MOST_CHATS = 2000

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_DESCRIPTION_CHARS = 256


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """What a profile offers on a platform, and ``of`` what its worker read that from."""

    of: str
    commands: Commands


class _Content(msgspec.Struct, kw_only=True):
    offered: dict[str, dict[str, Offered]] = {}
    shown: dict[str, dict[str, str]] = {}


class Menus:
    """What profiles offer and chats show, in ``file``; a missing or broken one is empty."""

    def __init__(self, file: Path) -> None:
        self._file = StateFile(file, _Content)
        self._content = self._file.read()

    def offered(self, profile: str, platform: str) -> Offered | None:
        """Return what the profile was last heard to offer, or None."""
        return self._content.offered.get(profile, {}).get(platform)

    def offer(
        self, profile: str, platform: str, of: str, commands: Iterable[Sequence[str]]
    ) -> None:
        """Keep what a worker says that its profile offers."""
        offered = Offered(of=of[:100], commands=usable(commands))
        self._content.offered.setdefault(profile, {})[platform] = offered
        self._write()

    def shown(self, platform: str, chat: str) -> str | None:
        """Return the name of the menu that was last set in a chat, or None."""
        return self._content.shown.get(platform, {}).get(chat)

    def chats(self) -> list[tuple[str, str]]:
        """Return the platforms and chats whose menus were set."""
        return [
            (platform, chat) for platform, chats in self._content.shown.items() for chat in chats
        ]

    def show(self, platform: str, chat: str, name: str | None) -> None:
        """Note that a chat's menu was set, or with None that it has none of its own any more."""
        chats = self._content.shown.setdefault(platform, {})
        chats.pop(chat, None)
        if name is not None:
            chats[chat] = name
        while len(chats) > _MOST_CHATS:
            del chats[next(iter(chats))]
        self._write()

    def _write(self) -> None:
        """Write the file; a disk that takes no note costs setting menus again."""
        self._file.write(self._content, "menus")


def usable(commands: Iterable[Sequence[str]]) -> Commands:
    """Return what of a worker's list may stand in a menu, each name once."""
    found: dict[str, str] = {}
    for name, description in itertools.islice(commands, MOST):
        line = " ".join(description.split())[:_DESCRIPTION_CHARS]
        if _NAME.fullmatch(name) and line.isprintable():
            found.setdefault(name, line or name)
    return list(found.items())


def answering(
    config: RouterConfig, platform: str, chat: str, met: Iterable[Place]
) -> list[Decision]:
    """Return who answers in a chat, each once: by its routes, and by the places that were ``met``.

    Looks at every route: for a thread. The chat's id stands for the sender too, for that is who
    writes in a direct chat.
    """
    places = [Place(platform, chat, user_id=chat)]
    places += [
        Place(platform, chat, route.thread_id, route.user_id, route.guild_id)
        for route in config.table.routes
        if route.enabled and route.platform == platform and route.chat_id == chat
    ]
    places += sorted(met, key=str)  # always in one order: who restarts sets no other menu
    decisions = (config.decide(place) for place in places)
    found = {(d.action, d.profile): d for d in decisions if d.action != "deny"}
    return list(found.values())


def union(lists: Sequence[Commands], most: int) -> Commands:
    """Return one menu for the profiles of a chat, of at most ``most`` commands.

    One list stays as it is. Of several, what all have comes first, in the first one's order; then
    the others' own by turns, so that none takes all the room.
    """
    if not lists:
        return []
    known = [dict(commands) for commands in lists]
    common = [name for name, _ in lists[0] if all(name in names for names in known)]
    own = [[name for name in names if name not in set(common)] for names in known]
    turns = (name for turn in itertools.zip_longest(*own) for name in turn if name is not None)
    order = dict.fromkeys([*common, *turns])
    described = {name: text for names in reversed(known) for name, text in names.items()}
    return [(name, described[name]) for name in itertools.islice(order, most)]


def name_of(commands: Commands) -> str:
    """Return a short name of a menu: two menus with the same name are the same."""
    return hashlib.sha256(msgspec.json.encode(commands)).hexdigest()[:16]
