"""The route table: it says which profile answers a place. It uses no files and no Hermes.

A route names a platform and any of guild, chat, thread and sender (``user_id``). These are its
discriminators; a place must have all that the route names. The most specific matching route wins:

* The specificity is a sum: sender 16, thread 8, chat 4, guild 2, as in
  ``ProfileRoute.specificity`` of Hermes 0.22. So a route that names a person beats every route that
  does not, wherever the person writes. For a topic that shall win over a person's route, name the
  person in the topic's route as well.
* A route is for messages that the gateway's own bot received, unless it names another profile's
  bot (``bot_profile``). This is needed because a person's private chat has the same id with every
  bot.
* Each combination of discriminators has a different sum. So two routes of equal specificity name
  the same discriminators. They can match the same place only if they name the same values, and
  such routes are refused when the table is built. The order in the file never matters.
* A route with a chat also matches places whose *parent* chat it names (threads and forum posts), as
  in Hermes. At equal specificity, a route on the chat itself beats a route on the parent chat.
* On WhatsApp a route may name any id of a person, as :mod:`.whatsapp` says.
* On Telegram the thread ``general`` of a named chat is its General topic: thread ``1``, or none.

Differences from ``match_profile_route`` of Hermes 0.22 (0.19 knows no sender and no bot):

1. With equal specificity, Hermes takes the first route in the file. Here a chat beats a parent
   chat, and routes with equal discriminators are an error: a conflict if their profiles differ,
   else the second is never reached.
2. In Hermes the Telegram thread ``general`` is literal text, which no message ever has.
3. In Hermes a platform in capitals never matches.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hermes_router.base.errors import ConfigError, Problem
from hermes_router.routing import whatsapp

GENERAL = "general"
GENERAL_THREAD = "1"
_NO_THREAD = ""
_GENERAL_PLATFORM = "telegram"

_GUILD, _CHAT, _THREAD, _USER = 2, 4, 8, 16

#: How much each discriminator adds to the specificity of a route.
WEIGHTS = {"guild_id": _GUILD, "chat_id": _CHAT, "thread_id": _THREAD, "user_id": _USER}
DISCRIMINATORS = tuple(WEIGHTS)
WORDS = {"guild_id": "guild", "chat_id": "chat", "thread_id": "thread", "user_id": "sender"}


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where a message came from; routes are matched against it. Empty ids count as absent.

    ``bot`` is the profile whose own bot received the message; None for the gateway's bot.
    ``aliases`` are further ids of the same chat.
    """

    platform: str
    chat_id: str | None = None
    thread_id: str | None = None
    user_id: str | None = None
    guild_id: str | None = None
    parent_chat_id: str | None = None
    bot: str | None = None
    aliases: tuple[str, ...] = ()


class Route(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One route. Ids are text; ``None`` means "any".

    ``path`` is the route's key path in ``file``; ``line`` and ``column`` count from 1.
    """

    platform: str
    profile: str
    guild_id: str | None = None
    chat_id: str | None = None
    thread_id: str | None = None
    user_id: str | None = None
    bot_profile: str | None = None
    name: str = ""
    enabled: bool = True
    file: str = ""
    line: int = 0
    column: int = 0
    path: str = ""

    @property
    def specificity(self) -> int:
        """The sum of sender 16, thread 8, chat 4 and guild 2; the highest sum wins."""
        return sum(weight for field, weight in WEIGHTS.items() if getattr(self, field))

    @property
    def where(self) -> str:
        """The position of the route: ``file:line:column``."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    @property
    def requires(self) -> tuple[str, ...]:
        """What the route names, in words: ``("chat -100", "thread 6")``."""
        named = ((WORDS[field], getattr(self, field)) for field in DISCRIMINATORS)
        bot = (f"bot of {self.bot_profile}",) if self.bot_profile else ()
        return (*(f"{word} {value}" for word, value in named if value), *bot)

    @property
    def label(self) -> str:
        """The name of the route; without a name, what the route matches."""
        return self.name or " ".join((self.platform, *self.requires))

    @property
    def is_general(self) -> bool:
        """True if the route is for the General topic of a Telegram chat."""
        return self.platform == _GENERAL_PLATFORM and self.thread_id == GENERAL


class Match(msgspec.Struct, frozen=True, gc=False):
    """The route that answers a place, as :meth:`RouteTable.match` found it.

    ``via_parent`` is True if the route's chat is the parent chat of the place, not its own chat.
    """

    route: Route
    via_parent: bool = False

    @property
    def profile(self) -> str:
        """The profile that answers."""
        return self.route.profile


_Bot = tuple[str, str | None]
"""A platform, and the profile whose own bot received the message; None for the gateway's bot."""


class _Shape:
    """The enabled routes of one platform that name the same discriminators."""

    __slots__ = ("mask", "routes")

    def __init__(self, mask: int) -> None:
        self.mask = mask
        self.routes: dict[str | None, Route] = {}


class _Platform:
    """The shapes of one platform and one bot, most specific first."""

    __slots__ = ("has_general", "shapes")

    def __init__(self) -> None:
        self.has_general = False
        self.shapes: list[_Shape] = []

    def shape(self, mask: int) -> _Shape:
        for shape in self.shapes:
            if shape.mask == mask:
                return shape
        self.shapes.append(_Shape(mask))
        self.shapes.sort(key=lambda shape: -shape.mask)
        return next(shape for shape in self.shapes if shape.mask == mask)


class RouteTable:
    """An immutable index of routes; matching takes as long for ten routes as for 100,000.

    ``routes`` are all routes, also the disabled ones, the most specific first.
    """

    __slots__ = ("_by_profile", "_platforms", "routes")

    def __init__(self, routes: tuple[Route, ...], platforms: dict[_Bot, _Platform]) -> None:
        self.routes = routes
        self._platforms = platforms
        self._by_profile: dict[str, tuple[Route, ...]] | None = None

    def of(self, profile: str) -> tuple[Route, ...]:
        """Return the enabled routes that this profile answers, the most specific first."""
        if self._by_profile is None:
            found: dict[str, list[Route]] = {}
            for route in self.routes:
                if route.enabled:
                    found.setdefault(route.profile, []).append(route)
            self._by_profile = {name: tuple(routes) for name, routes in found.items()}
        return self._by_profile.get(profile, ())

    @classmethod
    def build(cls, routes: Iterable[Route]) -> RouteTable:
        """Return a table of *routes*, in which :meth:`match` can look places up.

        Raises:
            ConfigError: two enabled routes name the same discriminators and values.
        """
        table, problems = cls.index(routes)
        if problems:
            raise ConfigError(problems)
        return table

    @classmethod
    def index(cls, routes: Iterable[Route]) -> tuple[RouteTable, list[Problem]]:
        """Return a table of *routes*, and a problem for each route that it leaves out.

        A configuration is checked by this, so that all its problems are reported at once. Of
        several routes that match the same places, the table keeps the first.
        """
        # General is inserted after thread 1, which it includes, whatever the order of the file.
        ordered = sorted(routes, key=lambda route: (-route.specificity, route.is_general))
        platforms: dict[_Bot, _Platform] = {}
        problems: list[Problem] = []
        for route in ordered:
            if route.enabled:
                bot = (route.platform, route.bot_profile)
                problems.extend(_insert(platforms.setdefault(bot, _Platform()), route))
        problems.sort(key=lambda problem: (problem.file, problem.line, problem.column))
        return cls(tuple(ordered), platforms), problems

    def match(self, place: Place) -> Match | None:
        """Return the most specific enabled route that matches *place*, or None if no route does.

        The gateway asks for each message; who answers without a route is not decided here.
        """
        platform = self._platforms.get((place.platform, place.bot or None))
        if platform is None:
            return None
        guild, user = place.guild_id, place.user_id
        chat, *others = _chats(place)
        thread = place.thread_id or (_NO_THREAD if platform.has_general else None)
        have = (
            (0 if thread is None else _THREAD)
            | (_CHAT if chat or others else 0)
            | (_GUILD if guild else 0)
            | (_USER if user else 0)
        )
        for shape in platform.shapes:
            mask = shape.mask
            if mask & ~have:
                continue
            route = shape.routes.get(_key(mask, guild, chat, thread, user))
            if route is not None:
                return Match(route)
            for other in others if mask & _CHAT else ():
                route = shape.routes.get(_key(mask, guild, other, thread, user))
                if route is not None:
                    return Match(route, via_parent=other == place.parent_chat_id)
        return None

    def __len__(self) -> int:
        return len(self.routes)


def parse_topic(platform: str, text: str) -> tuple[str, str | None]:
    """Split ``chat:thread`` into its ids; the thread is ``None`` if only a chat is named.

    Chat ids may contain colons: the last colon separates. On Matrix a thread is an event id
    (``$...``), and all else belongs to the room. ``chat:*`` always names a chat, even if its id
    contains colons.

    Raises:
        ValueError: the text is ambiguous, because ids may begin with the word before the colon
            (``group:...``), or one side of the colon is empty.
    """
    if text.endswith(":*") and len(text) > 2:
        return text[:-2], None
    if platform == "matrix":
        chat, mark, thread = text.partition(":$")
        if chat and (thread or not mark):
            return chat, f"${thread}" if mark else None
        raise ValueError("needs a room and an event id")
    chat, colon, thread = text.rpartition(":")
    if not colon:
        return text, None
    if not chat or not thread:
        raise ValueError("needs an id on both sides of the colon")
    if chat in _ID_PREFIXES:
        raise ValueError(
            f"is ambiguous, as ids may begin with {chat}:, so write {text}:* for the chat"
        )
    return chat, thread


_ID_PREFIXES = frozenset({"group", "channel", "user", "dm", "room", "19", "28", "29"})


def _key(
    mask: int, guild: str | None, chat: str | None, thread: str | None, user: str | None
) -> str | None:
    """Return the index key. It is one string: in a large table this is faster than a tuple."""
    if mask == _CHAT:
        return chat
    if mask == _CHAT | _THREAD:
        return f"{chat}\0{thread}"
    return (
        f"{guild if mask & _GUILD else ''}\0{chat if mask & _CHAT else ''}\0"
        f"{thread if mask & _THREAD else ''}\0{user if mask & _USER else ''}"
    )


def _chats(place: Place) -> tuple[str, ...]:
    """Return the chat's id, its other ids and its parent's id, each in the form that routes use."""
    chat, parent = place.chat_id or "", place.parent_chat_id
    if place.platform not in whatsapp.PLATFORMS:
        return (chat, parent) if parent else (chat,)
    ids = (chat, *place.aliases, *((parent,) if parent else ()))
    return tuple(whatsapp.same_for_all(place.platform, one) for one in ids)


def _keys(route: Route) -> list[str | None]:
    threads = (GENERAL_THREAD, _NO_THREAD) if route.is_general else (route.thread_id,)
    mask, chat = route.specificity, route.chat_id
    if chat:
        chat = whatsapp.same_for_all(route.platform, chat)
    return [_key(mask, route.guild_id, chat, thread, route.user_id) for thread in threads]


def _insert(platform: _Platform, route: Route) -> list[Problem]:
    if any("\0" in required for required in route.requires):
        return [_bad_id(route)]
    platform.has_general = platform.has_general or route.is_general
    shape = platform.shape(route.specificity)
    met = [
        first for key in _keys(route) if (first := shape.routes.setdefault(key, route)) is not route
    ]
    return [_met(met[0], route)] if met and not _half_met(met[0], route) else []


def _half_met(first: Route, route: Route) -> bool:
    """Return True if *route* (General) is still useful beside *first* (thread 1, same profile).

    It then still matches messages without a thread.
    """
    return route.is_general and not first.is_general and first.profile == route.profile


def _bad_id(route: Route) -> Problem:
    return Problem(
        file=route.file,
        line=route.line,
        column=route.column,
        path=route.path,
        message="an id contains a NUL character, which no message has",
        code="id",
    )


def _met(first: Route, route: Route) -> Problem:
    same = first.profile == route.profile
    what = "is never reached: it matches the same messages as" if same else "conflicts with"
    message = (
        f"route {route.label!r} -> {route.profile} {what} "
        f"route {first.label!r} -> {first.profile} ({first.path or 'route'} at {first.where})"
    )
    return Problem(
        file=route.file,
        line=route.line,
        column=route.column,
        path=route.path,
        message=message,
        hint="remove one of them" if same else "remove one, or add a discriminator to one",
        code="shadowed" if same else "conflict",
    )
