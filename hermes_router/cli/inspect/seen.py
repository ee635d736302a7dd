"""The conversations that Hermes has seen, from the files in the gateway's home that name them.

Hermes writes a conversation down with its session, in ``state.db`` (older versions:
``sessions.json``). Every few minutes it also writes ``channel_directory.json``, which includes
channels without any message. The sessions of a routed conversation are in its profile's home; the
router remembers it in ``conversations.json``. A file that is missing, locked or has another layout
adds nothing.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.routing.table import GENERAL, GENERAL_THREAD, Place
from hermes_router.state import known_conversations
from hermes_router.state.known_conversations import KnownConversation

_LOCK_SECONDS = 2.0
_QUERY = """
SELECT source, chat_id, thread_id, chat_type, display_name, origin_json FROM sessions
WHERE session_key IS NOT NULL AND chat_id IS NOT NULL ORDER BY started_at DESC LIMIT 5000
"""

#: What the router's file holds: profile to conversations.
_Known = dict[str, list[KnownConversation]]


class SeenConversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation with the ids for a route; ``name`` and ``kind`` come from Hermes."""

    place: Place
    name: str = ""
    kind: str = ""


def conversations(home: Path) -> list[SeenConversation]:
    """Return each conversation once, in the order of platform, chat and thread."""
    found: dict[Place, SeenConversation] = {}
    of_hermes = (*_of_sessions(home), *_of_session_file(home), *_of_directory(home))
    for seen in (*of_hermes, *_of_router(home)):
        known = found.get(seen.place)
        if known is None or not known.name:
            found[seen.place] = seen
    return sorted(found.values(), key=_order)


def _order(seen: SeenConversation) -> tuple[str, str, int, str]:
    place, thread = seen.place, seen.place.thread_id or ""
    return (place.platform, place.chat_id or "", int(thread) if thread.isdecimal() else 0, thread)


def _of_sessions(home: Path) -> Iterator[SeenConversation]:
    database = home / "state.db"
    if not database.is_file():
        return
    with contextlib.suppress(sqlite3.Error):
        link = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=_LOCK_SECONDS)
        with contextlib.closing(link):
            for platform, chat, thread, kind, name, origin in link.execute(_QUERY):
                told = _object(origin)
                told.setdefault("chat_id", chat)
                told.setdefault("thread_id", thread)
                told.setdefault("chat_name", name)
                yield from _seen(str(platform), told, str(kind or ""))


def _of_session_file(home: Path) -> Iterator[SeenConversation]:
    sessions = _object(_read(home / "sessions" / "sessions.json"))
    for session in sessions.values():
        origin = session.get("origin") if isinstance(session, dict) else None
        if isinstance(origin, dict):
            kind = str(session.get("chat_type") or "")
            yield from _seen(str(origin.get("platform") or ""), origin, kind)


def _of_directory(home: Path) -> Iterator[SeenConversation]:
    platforms = _object(_read(home / "channel_directory.json")).get("platforms")
    for platform, channels in (platforms if isinstance(platforms, dict) else {}).items():
        for channel in channels if isinstance(channels, list) else ():
            if isinstance(channel, dict):
                told = {"chat_name": channel.get("name"), "thread_id": channel.get("thread_id")}
                told["chat_id"] = _without(channel.get("id"), channel.get("thread_id"))
                yield from _seen(str(platform), told, str(channel.get("type") or ""))


def _of_router(home: Path) -> Iterator[SeenConversation]:
    """Yield the conversations of the gateway's own bot that routed profiles have served."""
    text = _read(known_conversations.file_of(home))
    with contextlib.suppress(msgspec.DecodeError):
        for known in msgspec.json.decode(text or b"{}", type=_Known).values():
            for each in known:
                if each.place.bot is None:
                    told = {"chat_id": each.place.chat_id, "thread_id": each.place.thread_id}
                    told["chat_name"] = each.name
                    yield from _seen(each.place.platform, told, each.kind)


def _without(ident: Any, thread: Any) -> str:
    """Return the chat's id from ``chat:thread``."""
    return str(ident or "").removesuffix(f":{thread}") if thread else str(ident or "")


def _seen(platform: str, told: dict[str, Any], kind: str) -> Iterator[SeenConversation]:
    chat = str(told.get("chat_id") or "")
    if not platform or not chat:
        return
    thread = str(told.get("thread_id") or "") or None
    if platform == "telegram" and thread == GENERAL_THREAD:
        thread = GENERAL
    if thread == chat:  # in Discord, a thread is a channel of its own
        thread = None
    place = Place(platform=platform, chat_id=chat, thread_id=thread)
    yield SeenConversation(place=place, name=_name(told, thread), kind=kind)


def _name(told: dict[str, Any], thread: str | None) -> str:
    name = str(told.get("chat_name") or told.get("user_name") or "")
    topic = str(told.get("chat_topic") or "")
    return f"{name} / {topic}" if topic and thread else name


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _object(text: bytes | str | None) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(text or b"{}")
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}
