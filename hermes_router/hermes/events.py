"""Hermes's message events as plain data for the pipe."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from hermes_router.outbound import Seen
from hermes_router.protocol.plain import plain
from hermes_router.routing import Place
from hermes_router.turn import Inbound

#: Fields that never cross: the platform's own objects, and what only the gateway may decide.
_OWN_FIELDS = {"source", "raw_message"}
_OWN_SOURCE_FIELDS = {"profile", "delivered_via_upstream_relay"}


def place_of(source: Any) -> Place:
    """Return where a message was sent, for the route table."""
    return Place(
        platform=source.platform.value,
        guild_id=getattr(source, "guild_id", None),
        chat_id=source.chat_id,
        thread_id=getattr(source, "thread_id", None),
        parent_chat_id=getattr(source, "parent_chat_id", None),
        user_id=source.user_id,
    )


def seen_of(source: Any) -> Seen:
    """Return the conversation of a message as it is remembered.

    Names are those that Hermes's channel directory would show.
    """
    base = source.chat_name or source.user_name or str(source.chat_id)
    thread = getattr(source, "thread_id", None)
    topic = f" / {source.chat_topic or f'topic {thread}'}" if thread else ""
    return Seen(place=place_of(source), name=f"{base}{topic}", kind=source.chat_type or "")


def inbound_of(
    event: Any, *, refusal: str | None = None, channel_prompt: str | None = None
) -> Inbound:
    """Return the event as it crosses the pipe, with the files that the adapter cached.

    ``refusal`` is what the gateway's rules answer to the command in it. A channel's prompt and
    skills from the gateway's configuration stay behind: the profile has its own. What the adapter
    itself says of the place is given as ``channel_prompt``.
    """
    return Inbound(
        fields=_plain_fields(event, without=_OWN_FIELDS)
        | {"auto_skill": None, "channel_prompt": channel_prompt},
        source=source_fields(event.source),
        files=[Path(path) for path in event.media_urls or () if Path(path).is_file()],
        refusal=refusal,
    )


def source_fields(source: Any) -> dict[str, Any]:
    """Return a source as it crosses the pipe."""
    return _plain_fields(source, without=_OWN_SOURCE_FIELDS)


def _plain_fields(instance: Any, *, without: set[str]) -> dict[str, Any]:
    return {
        field.name: plain(getattr(instance, field.name))
        for field in dataclasses.fields(instance)
        if field.name not in without
    }
