"""Turn an event message into Hermes's ``MessageEvent``, with its attachments on disk."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router.protocol.serialize import plain


class Attachments:
    """The files that arrive from the gateway in chunks, until an event claims them.

    They wait in ``folder``. If the worker ends before, they are lost with it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def append(self, chunk: msg.Chunk) -> None:
        """Append one chunk to its file.

        Raises:
            OSError: the file cannot be written.
        """
        with self._path(chunk.stream).open("ab") as file:
            file.write(chunk.data)

    def claim(self, file: msg.FileRef, target: Path) -> Path:
        """Move a complete file into ``target``, under its own bare name; return its path there.

        Raises:
            ValueError: the file is not complete, or its name is no bare file name.
            OSError: the file cannot be moved.
        """
        received = self._path(file.stream)
        if not received.exists():
            received.touch()
        if received.stat().st_size != file.size or Path(file.name).name != file.name:
            raise ValueError(f"attachment {file.name!r} did not arrive as announced")
        target.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(received, target / file.name))  # they may be on two file systems

    def _path(self, stream: int) -> Path:
        return self._folder / f"attachment-{stream}"


def build_event(message: msg.Event, attachments: Attachments) -> Any:
    """Return the ``MessageEvent`` for ``message``; move its files into the profile's cache.

    Fields that this Hermes does not know are left out. The gateway sends no ``source.profile``,
    because this whole process runs as the profile.

    Raises:
        ValueError: a file did not arrive as announced.
        OSError: a file cannot be moved into the cache.
    """
    from gateway.platforms.base import MessageEvent

    fields = dict(message.fields)
    urls, files = list(fields.get("media_urls", [])), iter(message.files)
    for number, (url, kind) in enumerate(zip(urls, fields.get("media_types", []), strict=False)):
        if not url.startswith(("http://", "https://")):
            urls[number] = str(attachments.claim(next(files), cache_of(kind)))
            fields["text"] = (fields.get("text") or "").replace(url, urls[number])
    fields["media_urls"] = urls
    return MessageEvent(**_known(MessageEvent, _typed(fields, message.source)))


def event_to_plain(event: Any) -> dict[str, Any]:
    """Return a ``MessageEvent`` as plain data, to be saved for the session's next worker.

    Its attachments stay where they are. The platform's own form of the message is left out.
    """
    fields = {
        field.name: plain(getattr(event, field.name))
        for field in dataclasses.fields(event)
        if field.init and field.name not in {"source", "raw_message"}
    }
    source = {
        field.name: plain(getattr(event.source, field.name))
        for field in dataclasses.fields(event.source)
    }
    return fields | {"source": source}


def is_saved_as(event: Any, fields: Mapping[str, Any]) -> bool:
    """Say whether :func:`event_to_plain` made these fields of this event, or of a copy of it."""
    names = ("text", "message_id", "timestamp")
    return all(plain(getattr(event, name)) == fields.get(name) for name in names)


def event_from_plain(fields: Mapping[str, Any]) -> Any:
    """Return the ``MessageEvent`` from which :func:`event_to_plain` made these fields."""
    from gateway.platforms.base import MessageEvent

    return MessageEvent(**_known(MessageEvent, _typed(fields, fields["source"])))


def _typed(fields: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event's fields, with Hermes's own types where plain data cannot carry them."""
    from gateway.platforms.base import MessageType

    return dict(fields) | {
        "message_type": MessageType(fields["message_type"]),
        "timestamp": datetime.fromisoformat(fields["timestamp"]),
        "source": build_source(source),
    }


def build_source(fields: Mapping[str, Any]) -> Any:
    """Return the ``SessionSource`` with these plain fields, as the gateway sends them.

    Fields that this Hermes does not know are left out.
    """
    from gateway.config import Platform
    from gateway.session import SessionSource

    typed = dict(fields) | {"platform": Platform(fields["platform"])}
    return SessionSource(**_known(SessionSource, typed))


def _known(cls: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(cls) if field.init}
    return {name: value for name, value in fields.items() if name in names}


def cache_of(media_type: str) -> Path:
    """Return the folder of the profile's cache where Hermes would put a file of this type."""
    from gateway.platforms import base

    folders: dict[str, Callable[[], Path]] = {
        "image": base.get_image_cache_dir,
        "audio": base.get_audio_cache_dir,
        "video": base.get_video_cache_dir,
    }
    kind = media_type.partition("/")[0]
    folder: Path = folders.get(kind, base.get_document_cache_dir)()
    return folder


def seen_by_agent(path: Path) -> str:
    """Return the path of a cached file as the agent's tools see it.

    It differs from ``path`` if the tools run in a container of Hermes.
    """
    from tools import credential_files

    visible = getattr(credential_files, "to_agent_visible_cache_path", str)
    return str(visible(str(path)))
