"""What the fake Telegram records and reports."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

FORUM = -1003961179976
"""Chat id of the forum supergroup that exists from the start."""

USER = 7700001
"""Id of the default user; also the chat id of that user's DM."""

TOKEN = "1234567:kit-bot-token_AAAAAAAAAAAAAAAAAAAAA"
"""Token of the default bot."""

CURSOR = "\N{LEFT SEVEN EIGHTHS BLOCK}"
"""What Hermes puts at the end of a text that it still streams."""

BROKEN = 0
"""In place of an error code: the connection breaks before the answer."""

KEEP_BYTES = 1024 * 1024
"""Uploads up to this size are kept whole, larger ones only as size and hash."""


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a multipart request."""

    field: str
    name: str
    size: int
    sha256: str
    content: bytes | None
    """The bytes, or None above `KEEP_BYTES`."""
    content_type: str = "application/octet-stream"

    @classmethod
    def of(cls, field: str, name: str, data: bytes, content_type: str | None) -> Upload:
        """Describe `data`, keeping it when it is small."""
        digest = hashlib.sha256(data).hexdigest()
        kept = data if len(data) <= KEEP_BYTES else None
        return cls(field, name, len(data), digest, kept, content_type or "application/octet-stream")


@dataclass(frozen=True, slots=True)
class Call:
    """One Bot API call. `getUpdates` is recorded on arrival, the others when they took effect."""

    seq: int
    at: float
    """`time.monotonic()` of its arrival."""
    token: str
    method: str
    params: Mapping[str, Any]
    """Decoded: JSON fields as objects, numbers as int, text as str."""
    files: tuple[Upload, ...] = ()
    message_id: int | None = None
    """The message that it made or changed."""
    error: str | None = None
    """`"<code> <description>"` when the call was refused."""
    done_at: float = 0.0

    @property
    def text(self) -> str:
        """The text or caption as it was sent, markup included."""
        return str(self.params.get("text") or self.params.get("caption") or "")

    @property
    def place(self) -> tuple[int | None, int | None]:
        """`(chat_id, thread_id)`; thread None stands for General and for chats without topics."""
        return self.params.get("chat_id"), self.params.get("message_thread_id")

    def line(self) -> str:
        """Return a one-line summary for failure texts."""
        chat, thread = self.place
        parts = [f"#{self.seq}", self.token.split(":")[0], self.method]
        if chat is not None:
            parts.append(f"chat={chat}" + (f"/{thread}" if thread else ""))
        if self.message_id is not None:
            parts.append(f"msg={self.message_id}")
        if self.text:
            parts.append(repr(self.text if len(self.text) <= 120 else self.text[:117] + "..."))
        parts += [f"file={upload.name}({upload.size} B)" for upload in self.files]
        if self.error:
            parts.append(f"REFUSED {self.error}")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Button:
    """One inline keyboard button."""

    text: str
    data: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A message as a user sees it now. `text` is rendered: markup resolved, escapes gone."""

    id: int
    chat_id: int
    thread_id: int | None
    text: str
    raw: str
    """Text as last sent by the bot, markup included."""
    edits: tuple[str, ...]
    """Rendered text of each earlier version, oldest first."""
    files: tuple[Upload, ...]
    buttons: tuple[Button, ...]
    """Buttons that can be clicked now."""
    deleted: bool
    reply_to: int | None
    token: str | None
    """The bot that posted it; None for a user's message."""
    kind: str
    """`text`, `photo`, `document`, `voice`, ..."""
    seq: int
    """Sequence number of the last call that touched it."""

    @property
    def partial(self) -> bool:
        """Whether it is still being streamed: it ends in the gateway's cursor."""
        return self.text.endswith(CURSOR)

    def button(self, label: str) -> Button:
        """Return the button whose text contains `label` or whose data equals it.

        Raises LookupError listing the buttons.
        """
        for button in self.buttons:
            if label == button.data or label.casefold() in button.text.casefold():
                return button
        have = [(button.text, button.data) for button in self.buttons]
        raise LookupError(f"message {self.id} has no button {label!r}; it has {have}")


@dataclass(slots=True)
class Fault:
    """Planned refusals of calls to one method."""

    method: str
    error_code: int
    description: str
    retry_after: int | None
    times: int
    match: Callable[[Call], bool] | None
    applied: bool
    """The call takes effect all the same: only its answer is an error."""


@dataclass(frozen=True, slots=True)
class Latency:
    """A delay of the calls of one method, in lower case, that match."""

    method: str
    seconds: float
    match: Callable[[Call], bool] | None


@dataclass(slots=True)
class Stored:
    """A message in a chat, as the server keeps it."""

    id: int
    chat_id: int
    thread_id: int | None
    date: int
    sender: dict[str, Any]
    token: str | None
    text: str = ""
    raw: str = ""
    kind: str = "text"
    entities: list[dict[str, Any]] = field(default_factory=list)
    media: dict[str, Any] = field(default_factory=dict)
    files: tuple[Upload, ...] = ()
    markup: dict[str, Any] | None = None
    reply_to: int | None = None
    edits: list[str] = field(default_factory=list)
    edit_date: int | None = None
    deleted: bool = False
    seq: int = 0


class Origin(TypedDict, total=False):
    """Where an injected message comes from. Everything has a default.

    `chat_id`: the forum; `thread_id`: None (General); `user_id`: the chat's owner in a DM and
    else `USER`; `bot_token`: the bot that receives the update.
    """

    chat_id: int
    thread_id: int | None
    user_id: int
    user_name: str
    reply_to: int | None
    bot_token: str
    media_group_id: str
