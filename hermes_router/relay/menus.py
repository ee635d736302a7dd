"""Choose the slash commands in a chat's menu: those of the profiles that answer in the chat.

A platform has one menu per chat, but different profiles may answer in its topics. The menu gets
first the commands that all of these profiles have, then by turns a command of each profile, as far
as there is room. A worker reports its profile's commands after a turn. A file in the gateway's home
keeps these reports, and the menu that each chat got last. Workers are not trusted: a name must be
a word, a description one short line, and both appear only in chats of the worker's own profile.
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
"""The names of commands without a slash, each with its description, in the order of the menu."""

#: Maximum number of commands that one profile may offer.
MOST = 100

#: Maximum number of chats whose menus are remembered. The menu of any other chat is set again when
#: somebody writes there.
_MOST_CHATS = 2000

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_DESCRIPTION_CHARS = 256


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """The commands that a profile offers on a platform.

    ``of`` is the worker's name for the state of the files from which it read the commands.
    """

    of: str
    commands: Commands


class _Content(msgspec.Struct, kw_only=True):
    offered: dict[str, dict[str, Offered]] = {}
    shown: dict[str, dict[str, str]] = {}


class Menus:
    """The commands that profiles offer and the menus that chats have, stored in ``file``.

    It is stored so that a restart changes no menu. A missing or broken file counts as empty.
    """

    def __init__(self, file: Path) -> None:
        self._file = StateFile(file, _Content)
        self._content = self._file.read()

    def offered(self, profile: str, platform: str) -> Offered | None:
        """Return the commands that a worker of the profile reported last; None if none has."""
        return self._content.offered.get(profile, {}).get(platform)

    def offer(
        self, profile: str, platform: str, of: str, commands: Iterable[Sequence[str]]
    ) -> None:
        """Store the commands that a worker reported for its profile, in place of the earlier ones.

        Commands that :func:`usable` leaves out are not stored. ``of`` is the worker's name for the
        state of the files from which it read them.
        """
        offered = Offered(of=of[:100], commands=usable(commands))
        self._content.offered.setdefault(profile, {})[platform] = offered
        self._write()

    def shown(self, platform: str, chat: str) -> str | None:
        """Return the name (see :func:`name_of`) of the menu that the router set last in a chat.

        A menu with the same name need not be set again. None means that the router has set none
        there, or does not remember it.
        """
        return self._content.shown.get(platform, {}).get(chat)

    def chats(self) -> list[tuple[str, str]]:
        """Return platform and id of each chat that has a menu of the router's.

        These menus are set again if the routes change, and removed if the router is disabled.
        """
        return [
            (platform, chat) for platform, chats in self._content.shown.items() for chat in chats
        ]

    def remember(self, platform: str, chat: str, name: str | None) -> None:
        """Store that a chat has the menu with this ``name`` now, or with None that it has none.

        The caller has changed the menu itself. If the file cannot be written, the next gateway sets
        the menu again.
        """
        chats = self._content.shown.setdefault(platform, {})
        chats.pop(chat, None)
        if name is not None:
            chats[chat] = name
        while len(chats) > _MOST_CHATS:
            del chats[next(iter(chats))]
        self._write()

    def _write(self) -> None:
        """Write the file. If that fails, the next gateway sets the menus again."""
        self._file.write(self._content, "menus")


def usable(commands: Iterable[Sequence[str]]) -> Commands:
    """Return those of a worker's commands that may appear in a menu, each name once, at most 100.

    Each item of ``commands`` is a name and a description. A name that is no plain word, or a
    description that is not printable, is left out; a long description is cut.
    """
    found: dict[str, str] = {}
    for name, description in itertools.islice(commands, MOST):
        line = " ".join(description.split())[:_DESCRIPTION_CHARS]
        if _NAME.fullmatch(name) and line.isprintable():
            found.setdefault(name, line or name)
    return list(found.items())


def answering(
    config: RouterConfig, platform: str, chat: str, met: Iterable[Place]
) -> list[Decision]:
    """Return the routing decisions for a chat, one for each profile that answers in it.

    They are found by all routes that name the chat, and by the places in it where messages came
    from (``met``). The chat's id is also tried as the sender's id, because they are equal in a
    direct chat. This reads every route, so call it in a thread.
    """
    places = [Place(platform, chat, user_id=chat)]
    places += [
        Place(platform, chat, route.thread_id, route.user_id, route.guild_id)
        for route in config.table.routes
        if route.enabled and route.platform == platform and route.chat_id == chat
    ]
    places += sorted(met, key=str)  # a fixed order, so that a restart changes no menu
    decisions = (config.decide(place) for place in places)
    found = {(d.action, d.profile): d for d in decisions if d.action != "deny"}
    return list(found.values())


def union(lists: Sequence[Commands], most: int) -> Commands:
    """Return one menu for the profiles of a chat, of at most ``most`` commands.

    A single list stays as it is. With several, the commands that all have come first, in the order
    of the first list. Then follows one command of each list by turns, so that all get some room.
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
    """Return a short hash of a menu's content; the menu is set again only if it has changed."""
    return hashlib.sha256(msgspec.json.encode(commands)).hexdigest()[:16]
