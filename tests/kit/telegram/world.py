"""State of the fake Telegram: bots with their update queues, chats, topics, messages, files.

Nothing here locks: every access happens under the journal's lock, taken by the server.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.kit.telegram.text import entities_of
from tests.kit.telegram.types import FORUM, Stored, Upload

SUPERGROUP_IDS_BELOW = -1000000000000


@dataclass(slots=True)
class BotState:
    """One bot: its identity, its undelivered updates, its settings."""

    token: str
    updates: list[dict[str, Any]] = field(default_factory=list)
    next_update: int = 500_000_001
    allowed: tuple[str, ...] = ()
    poll: int = 0
    """Serial of the newest getUpdates; an older one that still waits is a conflict."""
    commands: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    webhook: str = ""

    @property
    def id(self) -> int:
        """The number in front of the token's colon."""
        return int(self.token.split(":")[0])

    @property
    def username(self) -> str:
        """`kit_<id>_bot`."""
        return f"kit_{self.id}_bot"

    def user(self) -> dict[str, Any]:
        """Return the bot as a Bot API User."""
        name = f"Kit {self.id}"
        return {"id": self.id, "is_bot": True, "first_name": name, "username": self.username}

    def queue(self, kind: str, payload: dict[str, Any]) -> int | None:
        """Add an update for the bot to fetch; return its id.

        Returns None, and adds nothing, if the bot has not asked for updates of this kind.
        """
        if self.allowed and kind not in self.allowed:
            return None
        update_id = self.next_update
        self.next_update += 1
        self.updates.append({"update_id": update_id, kind: payload})
        return update_id


@dataclass(slots=True)
class File:
    """Bytes that getFile and the download path serve."""

    id: str
    path: str
    content: bytes


@dataclass(slots=True)
class World:
    """Everything that exists on the fake platform."""

    bots: dict[str, BotState] = field(default_factory=dict)
    chats: dict[int, dict[str, Any]] = field(default_factory=dict)
    topics: dict[tuple[int, int], str | None] = field(default_factory=dict)
    """Name of each topic; None once it was deleted."""
    closed_topics: set[tuple[int, int]] = field(default_factory=set)
    messages: dict[int, Stored] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    drafts: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    reactions: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    last_message: int = 100
    last_thread: int = 90_000

    def __post_init__(self) -> None:
        self.chats[FORUM] = chat = {"id": FORUM, "type": "supergroup", "title": "Kit forum"}
        chat["is_forum"] = True

    def bot(self, token: str) -> BotState:
        """Return the bot of this token, which comes into being on first use."""
        return self.bots.setdefault(token, BotState(token))

    def chat(self, chat_id: int) -> dict[str, Any]:
        """Return a chat; unknown ids become a DM (positive) or a plain group."""
        if chat_id not in self.chats:
            if chat_id > 0:
                self.chats[chat_id] = self.user(chat_id) | {"type": "private"}
                del self.chats[chat_id]["is_bot"]
            else:
                kind = "supergroup" if chat_id < SUPERGROUP_IDS_BELOW else "group"
                self.chats[chat_id] = {"id": chat_id, "type": kind, "title": f"Chat {chat_id}"}
        return self.chats[chat_id]

    def user(self, user_id: int, name: str = "") -> dict[str, Any]:
        """Return a human User."""
        first = name or f"User{user_id}"
        return {"id": user_id, "is_bot": False, "first_name": first, "language_code": "en"}

    def topic(self, chat_id: int, thread_id: int) -> str | None:
        """Return a topic's name, making it on first use; None when it was deleted."""
        return self.topics.setdefault((chat_id, thread_id), f"Topic {thread_id}")

    def new_message(
        self, chat_id: int, thread_id: int | None, sender: dict[str, Any], token: str | None
    ) -> Stored:
        """Store and return an empty message."""
        self.last_message += 1
        stored = Stored(self.last_message, chat_id, thread_id, int(time.time()), sender, token)
        self.messages[stored.id] = stored
        return stored

    def by_id(self, message_id: int, chat_id: int | None = None) -> Stored | None:
        """Return a message (of this chat); ids are unique over all chats here."""
        stored = self.messages.get(message_id)
        if stored is None or (chat_id is not None and stored.chat_id != chat_id):
            return None
        return stored

    def in_place(self, chat_id: int, thread_id: int | None) -> Iterator[Stored]:
        """Yield the messages of a chat or topic, oldest first."""
        for stored in self.messages.values():
            if stored.chat_id == chat_id and stored.thread_id == thread_id:
                yield stored

    def new_file(self, content: bytes, folder: str, name: str) -> dict[str, Any]:
        """Store bytes and return the common fields of a Bot API file object."""
        number = len(self.files) + 1
        file_id = f"FILE{number:05d}{hashlib.sha256(content).hexdigest()[:16]}"
        path = f"{folder}/file_{number}{'.' + name.rsplit('.', 1)[1] if '.' in name else ''}"
        self.files[file_id] = File(file_id, path, content)
        return {"file_id": file_id, "file_unique_id": file_id[4:], "file_size": len(content)}

    def media(self, kind: str, upload: Upload, content: bytes) -> dict[str, Any]:
        """Store an upload and return the message fields that show it."""
        base = self.new_file(content, f"{kind}s", upload.name)
        named = base | {"file_name": upload.name, "mime_type": upload.content_type}
        size = {"width": 640, "height": 480}
        if kind == "photo":
            small = self.new_file(content, "photos", upload.name) | {"width": 90, "height": 68}
            return {"photo": [small, base | size]}
        shapes: dict[str, dict[str, Any]] = {
            "document": named,
            "voice": base | {"duration": 2, "mime_type": upload.content_type},
            "audio": named | {"duration": 2},
            "video": named | size | {"duration": 2},
            "video_note": base | {"length": 240, "duration": 2},
            "animation": named | size | {"duration": 2},
            "sticker": base
            | {"width": 512, "height": 512, "type": "regular"}
            | {"is_animated": False, "is_video": False, "emoji": "\N{WAVING HAND SIGN}"},
        }
        return {kind: shapes[kind]}

    def show(self, stored: Stored, depth: int = 1) -> dict[str, Any]:
        """Return a message as the Bot API shows it."""
        shown: dict[str, Any] = {
            "message_id": stored.id,
            "date": stored.date,
            "chat": dict(self.chat(stored.chat_id)),
            "from": stored.sender,
            **stored.media,
        }
        if stored.text:
            captioned = bool(stored.media)
            shown["caption" if captioned else "text"] = stored.text
            if stored.entities:
                shown["caption_entities" if captioned else "entities"] = stored.entities
        if stored.edit_date is not None:
            shown["edit_date"] = stored.edit_date
        if stored.markup is not None:
            shown["reply_markup"] = stored.markup
        if stored.thread_id is not None:
            shown |= {"message_thread_id": stored.thread_id, "is_topic_message": True}
        if depth and (replied := self._replied(stored)) is not None:
            shown["reply_to_message"] = replied
        return shown

    def _replied(self, stored: Stored) -> dict[str, Any] | None:
        """What `reply_to_message` shows: in a topic, without a reply, the topic's creation."""
        if stored.reply_to is not None:
            target = self.by_id(stored.reply_to, stored.chat_id)
            return self.show(target, depth=0) if target is not None else None
        if stored.thread_id is None or stored.token is not None:
            return None
        name = self.topic(stored.chat_id, stored.thread_id) or ""
        return {
            "message_id": stored.thread_id,
            "date": stored.date,
            "chat": dict(self.chat(stored.chat_id)),
            "from": stored.sender,
            "message_thread_id": stored.thread_id,
            "is_topic_message": True,
            "forum_topic_created": {"name": name, "icon_color": 7322096},
        }


def set_text(stored: Stored, text: str) -> None:
    """Give a user's message its text and the entities that Telegram would mark."""
    stored.text = stored.raw = text
    stored.entities = entities_of(text)
