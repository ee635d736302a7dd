"""Read a place as people copy it, a link for example, as ``platform:chat[:thread]``.

Every function raises ``ValueError`` for a text that is no place. The error's text says what is
wrong and what to write.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from urllib.parse import unquote

from hermes_router.routing.table import GENERAL, parse_topic

_LINK = re.compile(
    r"(?:https?://)?(?P<host>(?:[\w-]+\.)*(?:t\.me|telegram\.me|discord(?:app)?\.com|slack\.com"
    r"|matrix\.to))/(?P<path>.*)",
    re.IGNORECASE,
)
_WEB_TELEGRAM = re.compile(r"(?:https?://)?web\.telegram\.org/", re.IGNORECASE)
_THREAD_OF_LINK = re.compile(r"[?&]thread(?:_ts)?=(?P<thread>[0-9.]+)")
_DISCORD = re.compile(
    r"channels/(?:(?P<guild>[0-9]+)|@me)/(?P<chat>[0-9]+)(?:/threads/(?P<thread>[0-9]+))?(?P<more>(?:/[0-9]+)*)"
)
_SLACK_CLIENT = re.compile(
    r"client/(?P<guild>\w+)/(?P<chat>[A-Z0-9]+)(?:/thread/[A-Z0-9]+-(?P<thread>[0-9.]+))?"
)
_SLACK_MESSAGE = re.compile(r"archives/(?P<chat>[A-Z0-9]+)(?:/(?P<thread>p[0-9]{7,}))?")
_PHONE = re.compile(r"\+[0-9 ().-]+")
_WHERE = "docs/ids.md says how to find them"


def understood(text: str) -> str:
    """Return the place that ``text`` names, as ``platform:chat[:thread]``.

    ``text`` may be a link to a chat of Telegram, Discord, Slack or Matrix. A text without a colon
    is returned as it is.
    """
    text = text.strip()
    link = _LINK.fullmatch(text)
    if link is not None:
        return _of_link(link["host"].lower(), link["path"])
    if _WEB_TELEGRAM.match(text):
        raise ValueError(
            "is an address of Telegram's web page. Copy the link of a message there instead: "
            "https://t.me/c/..."
        )
    if re.match(r"[a-z]+://", text, re.IGNORECASE):
        raise ValueError("is a link that contains no id of a chat. docs/ids.md says how to find it")
    platform, colon, rest = (part.strip() for part in text.partition(":"))
    if not colon:
        return text
    if _LINK.fullmatch(rest):
        return _of_own_link(platform.lower(), rest)
    rest = re.sub(r"\s*:\s*", ":", rest)
    reader = _READERS.get(platform.lower())
    return f"{platform}:{reader(rest) if reader and rest else rest}"


def ids(text: str) -> tuple[str, str, str | None]:
    """Return platform, chat and thread of the place that a person names; see :func:`understood`.

    The thread is None if the text names a chat. Telegram's General topic is ``general``.
    """
    platform, _, rest = understood(text).partition(":")
    platform = platform.strip().lower()
    if not platform or not rest:
        raise ValueError(
            "is not a place: it needs a platform and a chat, such as telegram:-1003961179976:6"
        )
    try:
        chat, thread = parse_topic(platform, rest)
    except ValueError as error:  # it names the id alone, as a configuration has it
        raise ValueError(str(error).replace(f"write {rest}", f"write {platform}:{rest}")) from None
    if platform == "telegram" and thread is not None and thread.lower() == GENERAL:
        thread = GENERAL
    return platform, chat, thread


def guild_of(text: str) -> str | None:
    """Return the server or workspace that a link of Discord or Slack names; None without one.

    ``text`` is what :func:`ids` has read. It raises nothing.
    """
    link = _LINK.search(text.strip())
    path = _without_query(link["path"]) if link is not None else ""
    found = _DISCORD.fullmatch(path) or _SLACK_CLIENT.fullmatch(path)
    return found["guild"] if found is not None else None


# -- links -----------------------------------------------------------------------------------------


def _of_own_link(platform: str, link: str) -> str:
    """Read a link that somebody has written after the name of its platform."""
    found = understood(link)
    if found.partition(":")[0] != platform:
        raise ValueError(f"names {platform}, but its link is one of another platform: {found}")
    return found


def _of_link(host: str, path: str) -> str:
    if host.endswith("matrix.to"):
        return _matrix_link(path)
    query = _THREAD_OF_LINK.search(path)
    thread = query["thread"] if query else None
    path = _without_query(path)
    if host.endswith("slack.com"):
        return _slack_link(path, thread)
    return _discord_link(path) if "discord" in host else _telegram_link(path, thread)


def _without_query(path: str) -> str:
    return re.split(r"[?#]", path, maxsplit=1)[0].strip("/")


def _telegram_link(path: str, thread: str | None) -> str:
    """Read ``c/CHAT[/THREAD[/MESSAGE]]``; a link's chat id lacks its -100.

    ``thread`` is the thread that the link's query names; the path then ends with the message.
    """
    kind, *ids = path.split("/")
    if kind != "c" or not ids or not all(part.isdigit() for part in ids):
        raise ValueError(
            "is a link by a chat's name or to join it, which contains no id. docs/ids.md says how "
            "to find the id"
        )
    thread = thread or (ids[1] if len(ids) > 1 else None)
    return f"telegram:-100{ids[0]}" + (f":{thread}" if thread else "")


def _discord_link(path: str) -> str:
    """Read ``channels/GUILD/CHANNEL[/MESSAGE]``: to Discord a thread is a channel of its own."""
    found = _DISCORD.fullmatch(path)
    if found is None:
        raise ValueError(f"is a link without a channel; ids of discord are numbers. {_WHERE}")
    if found["more"].count("/") > 1:
        raise ValueError(
            "has an id too many: the id after the channel is a message, and a thread is a channel "
            "of its own. Write discord:CHANNEL or discord:THREAD"
        )
    return f"discord:{found['thread'] or found['chat']}"


def _slack_link(path: str, thread: str | None) -> str:
    """Read ``client/TEAM/CHANNEL[/thread/...]`` or ``archives/CHANNEL[/MESSAGE]``.

    ``thread`` is the thread that the link's query names. A message is the first one of a thread.
    """
    found = _SLACK_CLIENT.fullmatch(path) or _SLACK_MESSAGE.fullmatch(path)
    if found is None:
        raise ValueError(f"is a link without a channel. Write slack:C0123ABCD; {_WHERE}")
    thread = thread or found["thread"]
    return f"slack:{found['chat']}" + (f":{_timestamp(thread)}" if thread else "")


def _matrix_link(path: str) -> str:
    """Read ``#/ROOM[/EVENT]``, where characters may be written as %21."""
    room, _, event = unquote(path.removeprefix("#/").partition("?")[0]).strip("/").partition("/")
    return f"matrix:{_matrix(f'{room}:{event}' if event else room)}"


# -- platform:chat ---------------------------------------------------------------------------------


def _numbers(platform: str, rest: str) -> str:
    """Read ``chat/thread`` as ``chat:thread``; refuse names, as ids are numbers."""
    if any(character.isspace() for character in rest):
        raise ValueError("contains spaces inside an id")
    if platform == "telegram":  # a third number is a message, as in a link
        rest = re.sub(r"^(-?[0-9]+/[0-9]+)/[0-9]+$", r"\1", rest)
    rest = re.sub(r"^(-?[0-9]+)/([0-9]+|general)$", r"\1:\2", rest, flags=re.IGNORECASE)
    if "/" in rest:
        raise ValueError(f"contains a slash. Write {platform}:CHAT or {platform}:CHAT:THREAD")
    chat, _, thread = rest.partition(":")
    if not re.fullmatch(r"-?[1-9][0-9]*|", chat):
        raise ValueError(f"names {chat}, but ids of {platform} are numbers. {_WHERE}")
    if not re.fullmatch(r"[1-9][0-9]*|general|\*|", thread, re.IGNORECASE):
        raise ValueError(
            f"names the thread {thread}, but ids of {platform} are numbers. Write {platform}:CHAT "
            f"or {platform}:CHAT:THREAD"
        )
    return rest


def _slack(rest: str) -> str:
    """Read ``chat/thread`` as ``chat:thread``; refuse names, as ids have capital letters only."""
    chat, colon, thread = rest.replace("/", ":", 1).partition(":")
    if chat.startswith(("#", "@")) or chat.islower() or " " in rest or "/" in thread:
        raise ValueError(
            f"names {rest}, but ids of slack look like C0123ABCD, and D0123ABCD for direct "
            f"messages. {_WHERE}"
        )
    return f"{chat}{colon}{_timestamp(thread)}"


def _timestamp(thread: str) -> str:
    """Return a thread's id; in links to messages it has a ``p``, and no point."""
    found = re.fullmatch(r"p([0-9]+)([0-9]{6})", thread)
    return f"{found[1]}.{found[2]}" if found else thread


def _matrix(rest: str) -> str:
    if rest.startswith("#"):
        raise ValueError(
            f"names {rest}, but that is an alias. Write matrix:!ROOM:SERVER, the internal id in "
            "the room's settings"
        )
    if rest.startswith("@"):
        raise ValueError(
            f"names {rest}, but that is a person. Write matrix:!ROOM:SERVER, and the person as "
            "--user"
        )
    return re.sub(r"/(?=\$)", ":", rest)


def _phone(rest: str) -> str:
    """Remove what makes a number readable; leave other ids as they are."""
    return re.sub(r"[^+0-9]", "", rest) if _PHONE.fullmatch(rest) else rest


_READERS: dict[str, Callable[[str], str]] = {
    "telegram": functools.partial(_numbers, "telegram"),
    "discord": functools.partial(_numbers, "discord"),
    "slack": _slack,
    "matrix": _matrix,
    "signal": _phone,
    "sms": _phone,
    "whatsapp": _phone,
    "whatsapp_cloud": _phone,
}
