"""Hermes's messages: where one came from, whose session it belongs to, and the files with it."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import Any

from hermes_router.hermes.compat.events import WRITER_FIELD, keep_writer


def session_key(source: Any, *, group_per_user: bool, thread_per_user: bool) -> str:
    """Return the key of a profile's session to which messages of ``source`` belong.

    The two settings say whether each user has a session of their own, in groups and in threads.
    """
    build = importlib.import_module("gateway.session").build_session_key
    key: str = build(
        source, group_sessions_per_user=group_per_user, thread_sessions_per_user=thread_per_user
    )
    return key


def is_personal(source: Any, *, group_per_user: bool, thread_per_user: bool) -> bool:
    """Return True if another user of the same place would have another session there.

    False for a source that names no user: it has the session of the whole place.
    """
    names = {field.name for field in dataclasses.fields(source)} & {"user_id", "user_id_alt"}
    if not any(getattr(source, name) for name in names):
        return False
    another = dataclasses.replace(source, **dict.fromkeys(names, "another"))
    mine, theirs = (
        session_key(one, group_per_user=group_per_user, thread_per_user=thread_per_user)
        for one in (source, another)
    )
    return mine != theirs


def session_key_of(runner: Any, source: Any) -> str:
    """Return the session key that the gateway's Hermes computes for a source, by its settings."""
    return str(runner._session_key_for_source(source))


def drop_cached_media(event: Any) -> None:
    """Remove the adapter's copies of a message's files: the profile has copies of its own.

    Only files in a media cache of the gateway's home are removed.
    """
    caches = _media_caches()
    for name in event.media_urls or ():
        path = Path(name)
        if any(path.resolve().is_relative_to(cache) for cache in caches):
            path.unlink(missing_ok=True)


def cached_media(name: str) -> Path | None:
    """Return the file that an adapter names, if it lies in a media cache of the gateway's home.

    An adapter may name the path as the agent sees it: in Hermes's sandbox the caches are elsewhere.
    Returns None for any other path.
    """
    path, caches = Path(name), _media_caches()
    for candidate in (path, *(cache / path.name for cache in caches)):
        found = candidate.resolve()
        if found.is_file() and any(found.is_relative_to(cache) for cache in caches):
            return found
    return None


def cached_image(content: bytes, extension: str) -> str:
    """Put a picture into the gateway's media cache; return its path, as an adapter would."""
    base = importlib.import_module("gateway.platforms.base")
    return str(base.cache_image_from_bytes(content, ext=extension))


def _media_caches() -> list[Path]:
    base = importlib.import_module("gateway.platforms.base")
    names = ("image", "audio", "video", "document")
    return [Path(getattr(base, f"get_{name}_cache_dir")()).resolve() for name in names]


def shared_source(adapter: Any, source: Any) -> Any:
    """Return the source under which an adapter writes the observed messages of a group.

    It is one for all users of the group. An adapter without such a source uses ``source`` itself.
    """
    share = getattr(adapter, "_telegram_group_observe_shared_source", None)
    return source if share is None else share(source)


def source_of(fields: dict[str, Any]) -> Any:
    """Return the ``SessionSource`` with these plain fields; unknown fields are left out.

    It also has the writer of the message again, if ``events.kept_source`` made the fields.
    """
    source = importlib.import_module("gateway.session").SessionSource
    platform = importlib.import_module("gateway.config").Platform(fields["platform"])
    names = {field.name for field in dataclasses.fields(source)}
    known = {name: value for name, value in fields.items() if name in names}
    return keep_writer(source(**known | {"platform": platform}), fields.get(WRITER_FIELD))


def event_without_text(source: Any) -> Any:
    """Return a Hermes event without text, to wake the session of ``source``; nobody wrote it."""
    event = importlib.import_module("gateway.platforms.base").MessageEvent
    return event(text="", source=source, internal=True)
