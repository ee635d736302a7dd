"""The delivery policy: where a profile may send messages outside of its current conversation.

These functions read and write no file: callers pass the configuration, and in ``seen`` the
conversations that the profile has served. By default a profile may send to the conversations that
are routed to it, and to its home channel. The setting ``deliver`` adds more.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

import msgspec

from hermes_router.base.errors import RelayRefused
from hermes_router.config.model import RouterConfig
from hermes_router.protocol import messages as msg
from hermes_router.routing.table import GENERAL, GENERAL_THREAD, Place, parse_topic
from hermes_router.state.known_conversations import KnownConversation

#: Maximum number of conversations that a worker is told.
_MOST_TOLD = 300

#: Maximum number of a profile's routes that are searched for the conversations that they name.
_MOST_NAMED = 300

#: Stands for the id of a thread that does not exist yet; no platform has such an id.
_NEW_THREAD = "(new)"

#: The platforms whose adapters look for a thread in its chat only. Others take a thread's id alone
#: for the place, as Discord and Feishu do: their chat then says nothing.
_THREADS_IN_CHATS = frozenset({"telegram", "slack", "matrix", "mattermost", "google_chat", "buzz"})

#: The platform whose ids are numbers that say where a message goes, and the only way in which a
#: number may be written. On Discord, the number of a thread does not say whose channel it is in.
_NUMBERED = "telegram"
_NUMBER = re.compile(r"-?[1-9][0-9]{0,24}")
_PRINTED = re.compile(r"[!-~]+")


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants to send a message: a profile whose worker asks the gateway to send it.

    ``origin`` is the conversation that this worker serves; None for a job.
    """

    profile: str
    origin: Place | None = None


def destination(
    config: RouterConfig, sender: Sender, target: Place, seen: Iterable[KnownConversation] = ()
) -> Place:
    """Return the conversation to which a message of ``sender`` for ``target`` goes.

    This is the target itself, if the profile may send there. Else, if the target names no thread,
    the sender's own thread of that chat is tried, and then that of a home channel: a model that
    names no thread means its own conversation. The result names the bot that must send.

    Raises:
        RelayRefused: the profile may not send there.
    """
    known = tuple(seen)
    homes = home_channels(config, sender.profile, known)
    near = [*([sender.origin] if sender.origin else []), *(home.place for home in homes)]
    for place in (target, *_in_their_threads(target, near)):
        for bot in bots(config, sender, place, known):
            return msgspec.structs.replace(place, bot=bot)
    raise RelayRefused(
        f"profile {sender.profile} may not send to {spelled(target)}: that conversation is not "
        f"routed to it. The gateway's operator can allow it there with "
        f"hermes_router.profiles.{sender.profile}.deliver: [{spelled(target)!r}]",
        call="deliver",
        target=spelled(target),
        profile=sender.profile,
    )


def may_send(
    config: RouterConfig, sender: Sender, target: Place, seen: Iterable[KnownConversation] = ()
) -> bool:
    """Return True if a profile may send to a conversation.

    A route may depend on the server or the sender, which the target's ids do not tell: then
    ``seen`` says them. The current routes decide whether such a conversation is still the
    profile's.
    """
    return any(True for _bot in bots(config, sender, target, seen))


def bots(
    config: RouterConfig, sender: Sender, target: Place, seen: Iterable[KnownConversation]
) -> Iterator[str | None]:
    """Yield the bots by which a profile may send to a conversation, the best first.

    A bot is named by its profile; None is the gateway's own bot. Nothing is yielded if the profile
    may not send there.
    """
    settings = config.settings(sender.profile)
    if sender.origin and _same(sender.origin, target):
        yield sender.origin.bot
    readings = (target, _as_private(target))
    if _is_unambiguous(config, target) and all(
        _is_of(config, sender.profile, reading) for reading in readings
    ):
        yield None
    for place in (one.place for one in seen if _same(one.place, target)):
        if _is_of(config, sender.profile, place):
            yield place.bot
    listed = () if isinstance(settings.deliver, str) else settings.deliver
    if settings.deliver == "any" or any(
        _covers(entry, target) for entry in (*listed, *filter(None, [settings.home_channel]))
    ):
        yield None


def may_open_thread(config: RouterConfig, profile: str, place: Place) -> bool:
    """Return True if a profile may open a new thread in the chat of ``place``.

    The routes must give it the chat without a thread, and a thread that no route names: on some
    platforms a message in the chat begins a thread.
    """
    chat = msgspec.structs.replace(place, thread_id=None)
    thread = msgspec.structs.replace(place, thread_id=_NEW_THREAD)
    return _is_of(config, profile, chat) and _is_of(config, profile, thread)


def home_channels(
    config: RouterConfig, profile: str, seen: Iterable[KnownConversation]
) -> list[KnownConversation]:
    """Return the profile's home channels, at most one for each platform.

    A job's worker sends there if it names no conversation. The home channel in the router's
    configuration counts first. Else it is the first conversation of ``seen`` that is still routed
    to the profile; else the first that one of its routes names.
    """
    homes: dict[str, KnownConversation] = {}
    for known in (*_configured(config, profile), *conversations(config, profile, seen)):
        homes.setdefault(known.place.platform, known)
    return list(homes.values())


def conversations(
    config: RouterConfig, profile: str, seen: Iterable[KnownConversation]
) -> list[KnownConversation]:
    """Return the conversations that are routed to a profile: those in ``seen``, then others.

    The others are those that its routes name.
    """
    found: dict[str, KnownConversation] = {}
    for known in seen:
        if _is_of(config, profile, known.place):
            found.setdefault(spelled(known.place), known)
    for place in _named_by_routes(config, profile):
        found.setdefault(spelled(place), KnownConversation(place=place))
    return list(found.values())


def delivery_scope(
    config: RouterConfig,
    sender: Sender,
    platforms: Iterable[str],
    seen: Iterable[KnownConversation],
) -> msg.DeliveryScope:
    """Return what a worker is told at its start about where its profile may send.

    ``platforms`` are those that the gateway is connected to now; places elsewhere are left out.
    """
    known = tuple(seen)
    connected = set(platforms)
    homes = home_channels(config, sender.profile, known)
    places = [*conversations(config, sender.profile, known), *_listed(config, sender.profile)]
    return msg.DeliveryScope(
        platforms=sorted(connected),
        origin=_told(KnownConversation(place=sender.origin)) if sender.origin else None,
        homes=[_told(home) for home in homes if home.place.platform in connected],
        places=[_told(one) for one in places if one.place.platform in connected][:_MOST_TOLD],
        anywhere=config.settings(sender.profile).deliver == "any",
        tool=config.settings(sender.profile).send_tool,
    )


def lasting(config: RouterConfig, profile: str, seen: KnownConversation) -> KnownConversation:
    """Return a conversation in the form in which the gateway remembers it for a profile.

    The sender's id is left out, unless the place is routed to the profile only because of the
    sender.
    """
    anyone = msgspec.structs.replace(seen.place, user_id=None)
    if not _is_of(config, profile, anyone):
        return seen
    return msgspec.structs.replace(seen, place=anyone)


def spelled(place: Place) -> str:
    """Return a place as text, ``platform:chat:thread``, as settings and records write it.

    Parts that the place does not have are left out; server, user and bot always are.
    """
    return ":".join(filter(None, (place.platform, place.chat_id, place.thread_id)))


def parsed(target: str) -> Place:
    """Return the place that a target in the settings names; the reverse of :func:`spelled`."""
    platform, _, rest = target.partition(":")
    try:
        chat, thread = parse_topic(platform, rest)
    except ValueError:  # the id begins with a word, so it names no thread
        chat, thread = rest, None
    return Place(platform=platform, chat_id=chat, thread_id=thread)


def _told(known: KnownConversation) -> msg.Place:
    place = known.place
    return msg.Place(
        platform=place.platform,
        chat_id=place.chat_id or "",
        thread_id=place.thread_id,
        name=known.name,
        kind=known.kind,
    )


def _configured(config: RouterConfig, profile: str) -> Iterator[KnownConversation]:
    home = config.settings(profile).home_channel
    if home is not None:
        yield KnownConversation(place=parsed(home))


def _listed(config: RouterConfig, profile: str) -> Iterator[KnownConversation]:
    deliver = config.settings(profile).deliver
    for target in () if isinstance(deliver, str) else deliver:
        yield KnownConversation(place=parsed(target))


def _named_by_routes(config: RouterConfig, profile: str) -> Iterator[Place]:
    for route in itertools.islice(config.table.of(profile), _MOST_NAMED):
        if route.chat_id and not route.user_id:
            thread = GENERAL_THREAD if route.thread_id == GENERAL else route.thread_id
            yield Place(platform=route.platform, chat_id=route.chat_id, thread_id=thread)


def _is_unambiguous(config: RouterConfig, target: Place) -> bool:
    """Return True if the text of this target is the only way to name its conversation.

    A worker chooses the text. If an adapter reads it as a number, `013` is thread 13, perhaps
    another profile's; and `@name` may be any chat. The routes would then be asked about another
    text than the adapter uses, so such a target is refused. So is a thread that may be in another
    chat than the target says, unless a route names it.
    """
    chat, thread = target.chat_id or "", target.thread_id
    match = config.table.match(target)
    named = match is not None and match.route.chat_id == chat
    if thread is not None and not _is_in_its_chat(target):
        return named and match is not None and match.route.thread_id == thread
    if target.platform == _NUMBERED:
        plain = named or _NUMBER.fullmatch(chat) is not None
        return plain and (thread is None or _NUMBER.fullmatch(thread) is not None)
    return named and (thread is None or _PRINTED.fullmatch(thread) is not None)


def _is_in_its_chat(target: Place) -> bool:
    """Return True if an adapter finds the thread of a target in the target's chat only."""
    return target.platform in _THREADS_IN_CHATS or target.thread_id == target.chat_id


def _as_private(target: Place) -> Place:
    """Return a target as the private chat of a person, whose id is the chat's on some platforms.

    A route by sender then says who answers there.
    """
    return msgspec.structs.replace(target, user_id=target.chat_id)


def _is_of(config: RouterConfig, profile: str, place: Place) -> bool:
    decision = config.decide(place)
    return decision.action == "worker" and decision.profile == profile


def _covers(entry: str, target: Place) -> bool:
    """Return True if a configured target includes this one.

    Without a thread it is a chat with all the threads that an adapter finds in it only.
    """
    allowed = parsed(entry)
    if (allowed.platform, allowed.chat_id) != (target.platform, target.chat_id):
        return False
    whole = allowed.thread_id is None and _is_in_its_chat(target)
    return whole or allowed.thread_id == target.thread_id


def _same(one: Place, other: Place) -> bool:
    return spelled(one) == spelled(other)


def _in_their_threads(target: Place, places: Iterable[Place]) -> Iterator[Place]:
    if target.thread_id is None:
        for place in places:
            if (place.platform, place.chat_id) == (target.platform, target.chat_id):
                yield msgspec.structs.replace(target, thread_id=place.thread_id)
