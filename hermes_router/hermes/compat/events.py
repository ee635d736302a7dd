"""Convert Hermes's message events to plain data for the pipe, and back."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.protocol import messages as msg
from hermes_router.protocol.serialize import plain
from hermes_router.routing import whatsapp
from hermes_router.routing.table import Place
from hermes_router.state.known_conversations import KnownConversation
from hermes_router.state.ledger import Identity
from hermes_router.turns.worker.event_sender import InboundMessage
from hermes_router.turns.worker.event_track import EventTrack

#: Fields that never go to a worker: the platform's own objects, and what only the gateway decides.
_OWN_FIELDS = {"source", "raw_message"}
#: The attribute of a joined event that lists the messages of which it is made.
PARTS = "_hermes_router_parts"

_OWN_SOURCE_FIELDS = {"profile", "delivered_via_upstream_relay"}


def own_bot(source: Any) -> str | None:
    """Return the profile whose own bot received a message; None for the gateway's bot.

    ``source`` is Hermes's description of where the message came from. If it names no adapter, the
    profile in it is returned, or None.
    """
    adapter = receiver(source)
    return bot_of(adapter) if adapter is not None else _named(getattr(source, "profile", None))


def bot_of(adapter: Any) -> str | None:
    """Return the profile whose own bot an adapter is; None for the gateway's bot."""
    owner = getattr(adapter, "_owner_profile", None)
    return _named(owner or getattr(adapter, "_hermes_profile_name", None))


def _named(profile: Any) -> str | None:
    return profile if isinstance(profile, str) and profile not in ("", "default") else None


def named_elsewhere(source: Any) -> bool:
    """Return True if a message that came to the gateway's bot names its profile itself.

    It came by a URL that names the profile. The router leaves such a message to Hermes.
    """
    named = bool(getattr(source, "profile", None)) and receiver(source) is not None
    return named and own_bot(source) is None


def made_by_hermes(event: Any) -> bool:
    """Return True if no person and no platform sent an event: Hermes made it itself.

    Hermes makes one for a recurring prompt, a report of background work, a goal's next turn, a
    session that a terminal hands over, or a turn that continues after a restart. Most are marked as
    internal, and carry no message of a platform. The others have no message id, and name their
    session or begin with Hermes's words for a goal.
    """
    if getattr(event, "internal", False) and getattr(event, "raw_message", None) is None:
        return True
    if event.message_id:
        return False
    named = (getattr(event, "metadata", None) or {}).get("gateway_session_key")
    return bool(named or _goes_on_with_a_goal(event))


def _goes_on_with_a_goal(event: Any) -> bool:
    """Return True if Hermes's words for the next turn of a ``/goal`` begin an event's text."""
    openings = _openings_of_goals()
    return bool(openings) and str(event.text or "").startswith(openings)


@functools.cache
def _openings_of_goals() -> tuple[str, ...]:
    """Return the words before the goal in each of Hermes's prompts to go on with one."""
    try:
        goals = vars(importlib.import_module("hermes_cli.goals"))
    except ImportError:
        return ()
    prompts = [goals[name] for name in goals if name.startswith("CONTINUATION_PROMPT_")]
    return tuple({opening for text in prompts if (opening := text.partition("{goal}")[0])})


def receiver(source: Any) -> Any:
    """Return the adapter that received a message, or None if its source does not name one."""
    reference = getattr(source, "_transport_adapter_ref", None)
    return reference() if callable(reference) else None


#: The attribute of a source that keeps who wrote a message, if the adapter removed that person.
_WRITER = "_hermes_router_writer"
#: The field with that person among the plain fields of :func:`kept_source`.
WRITER_FIELD = "writer"


def keep_writer(source: Any, writer: str | None) -> Any:
    """Store who wrote a message on its source, which names nobody, and return the source.

    :func:`place_of` then finds this person. Telegram's adapter removes the person where it also
    keeps what others say in a group. The session is then that of the whole place, but routes may
    still name the person.
    """
    if writer and not source.user_id:
        setattr(source, _WRITER, writer)
    return source


def place_of(source: Any) -> Place:
    """Return the place of a message (platform, chat, thread, server, user, bot), without aliases.

    The user is who wrote the message, also if Hermes counts it as the whole group's. Use it to
    send, and to name the place; use :func:`place_to_route` to look up the route.
    """
    return Place(
        platform=source.platform.value,
        guild_id=getattr(source, "guild_id", None),
        chat_id=source.chat_id,
        thread_id=getattr(source, "thread_id", None),
        parent_chat_id=getattr(source, "parent_chat_id", None),
        user_id=source.user_id or getattr(source, _WRITER, None),
        bot=own_bot(source),
    )


def place_to_route(source: Any) -> Place:
    """Return the place of a message, with every id by which a configured route may name it.

    Use it to look up the route. Do not send to it: on WhatsApp it also has other ids of the person.
    """
    place = place_of(source)
    if place.platform not in whatsapp.PLATFORMS or not place.chat_id:
        return place
    return msgspec.structs.replace(place, aliases=_other_ids(place.chat_id))


def _other_ids(chat: str) -> tuple[str, ...]:
    """Return a person's other ids on WhatsApp, as the WhatsApp bridge knows them."""
    if whatsapp.is_no_person(chat):
        return ()
    try:
        known = importlib.import_module("gateway.whatsapp_identity").expand_whatsapp_aliases(chat)
    except (ImportError, AttributeError, OSError, TypeError, ValueError):
        return ()
    return tuple(sorted(known))


def seen_of(source: Any) -> KnownConversation:
    """Return a message's conversation as the file of known conversations keeps it.

    Its names are those that Hermes's channel directory would show.
    """
    base = source.chat_name or source.user_name or str(source.chat_id)
    thread = getattr(source, "thread_id", None)
    topic = f" / {source.chat_topic or f'topic {thread}'}" if thread else ""
    return KnownConversation(
        place=place_of(source), name=f"{base}{topic}", kind=source.chat_type or ""
    )


#: The attribute with the ledger's entry number, on an event that is served again after a crash.
_ENTRY = "hermes_router_entry"


def part_of(event: Any) -> tuple[str, str] | None:
    """Return what tells an event from others: its message id, and its edit date with its text.

    The id alone is not enough: each button of a card is a command with the card's id. Returns None
    if the event has no message id.
    """
    if event.message_id is None:
        return None
    edited = getattr(getattr(event, "raw_message", None), "edit_date", None)
    return str(event.message_id), f"{edited} {event.text}"


def identity_of(event: Any) -> Identity:
    """Return the ids by which the ledger recognises a message that is delivered a second time.

    A joined event has those of all its parts. Without a message id there are none, and the message
    is never recognised.
    """
    parts = getattr(event, PARTS, None) or [part_of(event)]
    return Identity(
        platform=event.source.platform.value,
        chat_id=str(event.source.chat_id),
        parts=tuple(dict.fromkeys(part for part in parts if part is not None)),
        bot=own_bot(event.source) or "",
    )


def accept(event: Any) -> None:
    """Mark an event of a busy session as accepted; else Hermes would hand it on again."""
    event._gateway_accepted = True


def with_text(event: Any, text: str) -> Any:
    """Return an event with another text, because a hook of the gateway has rewritten it.

    The ledger still recognises the message by its old ids.
    """
    rewritten = dataclasses.replace(event, text=text)
    setattr(rewritten, PARTS, list(identity_of(event).parts))
    return rewritten


def entry_number(event: Any) -> str:
    """Return the id of the ledger's entry that an event names; "" for a new message.

    An event names one if this gateway serves it for a message that an earlier gateway left open.
    """
    return str((getattr(event, "metadata", None) or {}).get(_ENTRY, ""))


def event_fields(event: Any, *, channel_prompt: str | None) -> dict[str, Any]:
    """Return an event's fields as plain data, without the gateway's prompt and skills of a place.

    The profile has its own. ``channel_prompt`` is what the adapter itself says of the place.
    """
    own = {"auto_skill": None, "channel_prompt": channel_prompt}
    return _plain_fields(event, without=_OWN_FIELDS) | own


def event_again(fields: Mapping[str, Any], source: Any, number: str) -> Any:
    """Return a Hermes event with these plain fields, but without files, to serve a message again.

    The message is one that an earlier gateway left open. ``source`` is where it came from. The
    event names the ledger's entry ``number``.
    """
    base = importlib.import_module("gateway.platforms.base")
    names = {field.name for field in dataclasses.fields(base.MessageEvent) if field.init}
    known = {name: value for name, value in fields.items() if name in names}
    known |= {"media_urls": [], "media_types": [], "metadata": {_ENTRY: number}}
    known |= {"source": source, "message_type": base.MessageType(fields["message_type"])}
    known.pop("timestamp", None)
    return base.MessageEvent(**known)


def event_to_go_on(source: Any, number: str) -> Any:
    """Return Hermes's own event for continuing a turn that a stop cut off; it has no author.

    The crash recovery hands it to the adapter of the session. The event names the ledger's entry
    ``number``.
    """
    base = importlib.import_module("gateway.platforms.base")
    return base.MessageEvent(
        text="",
        message_type=base.MessageType.TEXT,
        source=source,
        internal=True,
        metadata={_ENTRY: number},
    )


def inbound_of(
    event: Any,
    *,
    allowed_commands: list[str] | None = None,
    channel_prompt: str | None = None,
    largest: int | None = None,
    sticker: msg.Sticker | None = None,
    at_once: bool = False,
    track: EventTrack | None = None,
) -> InboundMessage:
    """Return an event as it is sent to a worker, with the files that the adapter cached.

    ``allowed_commands`` are what the gateway's rules let the sender give, None if everything.
    ``channel_prompt``: see :func:`event_fields`. Files above ``largest`` bytes are left out,
    and the text says so; None means no limit. ``sticker`` is what is known of a sticker in it.
    ``at_once`` is True for a command that waits for no turn. ``track`` follows the message to its
    outcome.
    """
    kept, large = _by_size(_media(event), largest)
    fields = event_fields(event, channel_prompt=channel_prompt) | {
        "media_urls": [url for url, _ in kept],
        "media_types": [kind for _, kind in kept],
    }
    if entry_number(event):
        fields["metadata"] = {}
    if large and largest is not None:
        note = (
            f"[Not passed on, because a file may have at most {in_words(largest)} here: "
            f"{', '.join(large)}]"
        )
        fields["text"] = f"{fields['text'] or ''}\n\n{note}".strip()
        if not kept:
            fields["message_type"] = "text"
    return InboundMessage(
        fields=fields,
        source=source_fields(event.source),
        files=[Path(url) for url, _ in kept if not _on_the_web(url)],
        allowed_commands=allowed_commands,
        sticker=sticker,
        too_large=large,
        at_once=at_once,
        track=track or EventTrack(),
    )


def in_words(size: int) -> str:
    """Return a number of bytes as people read it, in kB or MB."""
    return f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{size / 2**10:.1f} kB"


def _media(event: Any) -> list[tuple[str, str]]:
    urls, kinds = list(event.media_urls or ()), list(getattr(event, "media_types", None) or ())
    return [
        (str(url), str(kind)) for url, kind in zip_longest(urls, kinds[: len(urls)], fillvalue="")
    ]


def _by_size(
    media: list[tuple[str, str]], largest: int | None
) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the files that cross, and the names and sizes of files above ``largest`` bytes.

    A file that does not exist is in neither list.
    """
    kept: list[tuple[str, str]] = []
    large: list[str] = []
    for url, kind in media:
        size = 0 if _on_the_web(url) else _size_of(Path(url))
        if size is not None and largest is not None and size > largest:
            large.append(f"{Path(url).name} ({in_words(size)})")
        elif size is not None:
            kept.append((url, kind))
    return kept, large


def _size_of(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _on_the_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def source_fields(source: Any) -> dict[str, Any]:
    """Return a source's fields as plain data, for workers."""
    return _plain_fields(source, without=_OWN_SOURCE_FIELDS)


def kept_source(source: Any) -> dict[str, Any]:
    """Return a source's fields as plain data for the gateway's own files.

    Other than :func:`source_fields`, they have the bot that received the message and the person who
    wrote it, because a route may name them. The bot is in the field ``profile``, where
    :func:`own_bot` finds it again.
    """
    kept = {"profile": own_bot(source), WRITER_FIELD: getattr(source, _WRITER, None)}
    return source_fields(source) | {name: one for name, one in kept.items() if one is not None}


def _plain_fields(instance: Any, *, without: set[str]) -> dict[str, Any]:
    return {
        field.name: plain(getattr(instance, field.name))
        for field in dataclasses.fields(instance)
        if field.init and field.name not in without
    }
