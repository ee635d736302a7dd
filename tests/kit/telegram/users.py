"""The side of the fake Telegram on which users write, send files, edit and click."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Unpack

from tests.kit.telegram.api import TelegramApi
from tests.kit.telegram.text import entities_of
from tests.kit.telegram.types import (
    FORUM,
    TOKEN,
    USER,
    Button,
    Call,
    Message,
    Origin,
    Stored,
    Upload,
)
from tests.kit.telegram.world import set_text

REACTION_SECONDS = 0.3


class TelegramUsers(TelegramApi):
    """Does what people do on the fake Telegram; their bot gets it as updates.

    `Origin` says who does it, and where.
    """

    def __init__(self, token: str = TOKEN, user_name: str = "Ada") -> None:
        super().__init__()
        self.token = token
        self.user_name = user_name
        self.world.bot(token)

    def say(self, text: str, **origin: Unpack[Origin]) -> int:
        """Let a user write a text; returns the message id. A DM is `chat_id=USER`."""
        return self._inject(lambda stored: set_text(stored, text), origin)

    def say_photo(self, data: bytes, caption: str = "", **origin: Unpack[Origin]) -> int:
        """Let a user send a picture."""
        return self._inject_file("photo", "photo.jpg", data, "image/jpeg", caption, origin)

    def say_document(
        self,
        data: bytes,
        name: str,
        caption: str = "",
        mime_type: str = "application/octet-stream",
        **origin: Unpack[Origin],
    ) -> int:
        """Let a user send a file."""
        return self._inject_file("document", name, data, mime_type, caption, origin)

    def say_voice(self, data: bytes, **origin: Unpack[Origin]) -> int:
        """Let a user send a voice message."""
        return self._inject_file("voice", "voice.ogg", data, "audio/ogg", "", origin)

    def say_file(
        self,
        kind: str,
        data: bytes,
        name: str,
        mime_type: str,
        caption: str = "",
        **origin: Unpack[Origin],
    ) -> int:
        """Let a user send a file of this kind: `video`, `audio`, `sticker`, `animation`, ..."""
        return self._inject_file(kind, name, data, mime_type, caption, origin)

    def say_album(
        self, photos: Iterable[bytes], caption: str = "", **origin: Unpack[Origin]
    ) -> list[int]:
        """Let a user send several pictures as one album, the caption on the first."""
        origin.setdefault("media_group_id", f"group-{self.world.last_message + 1}")
        ids: list[int] = []
        for data in photos:
            ids.append(self.say_photo(data, "" if ids else caption, **origin))
        return ids

    def edit(self, message_id: int, text: str, bot_token: str | None = None) -> None:
        """Let the user edit a message: the bot gets an `edited_message` update."""
        with self.journal.changed:
            stored = self._known(message_id)
            stored.edits.append(stored.text)
            set_text(stored, text)
            stored.edit_date = stored.date + 1
            self._deliver(bot_token, "edited_message", self.world.show(stored))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Give the bot what users do in the block in one answer, as after a moment offline.

        Hermes joins texts that come within a fifth of a second; a busy machine is slower than that
        from one answer to the next.
        """
        with self.journal.changed:
            yield

    def deliver_again(self, message_id: int, bot_token: str | None = None) -> None:
        """Deliver a user's message in another update, as a platform does that got no answer."""
        with self.journal.changed:
            shown = self.world.show(self._known(message_id))
            self._deliver(bot_token, "message", shown)

    def click(
        self,
        message: Message | Call | int,
        button: str,
        user_id: int = USER,
        user_name: str | None = None,
    ) -> str:
        """Click the button with this text (part of it) or data; returns the callback query id.

        The message may be a `Message`, the `Call` that posted it, or its id. The update goes to
        the bot that posted it. Raises LookupError when there is no such message or button.

        The bot has seen for `REACTION_SECONDS` by then that its message was posted: it keeps
        what a button means when it gets that answer, and no person is faster.
        """
        message_id = message.message_id if isinstance(message, Call) else message
        message_id = message_id.id if isinstance(message_id, Message) else message_id
        self._let_the_bot_know(message_id or 0)
        with self.journal.changed:
            stored = self._known(message_id or 0)
            data = self._show(stored).button(button).data
            query_id = f"{stored.id}{self.world.bot(stored.token or self.token).next_update}"
            query = {
                "id": query_id,
                "from": self.world.user(user_id, user_name or self.user_name),
                "chat_instance": str(stored.chat_id),
                "message": self.world.show(stored),
                "data": data,
            }
            self._deliver(stored.token, "callback_query", query)
            return query_id

    def _let_the_bot_know(self, message_id: int) -> None:
        posted = [call.done_at for call in self.journal.all() if call.message_id == message_id]
        if posted:
            time.sleep(max(0.0, posted[-1] + REACTION_SECONDS - time.monotonic()))

    def add_topic(self, thread_id: int, name: str, chat_id: int = FORUM) -> None:
        """Create or rename a topic. Topics that are used without this get a default name."""
        with self.journal.changed:
            self.world.topics[chat_id, thread_id] = name

    def delete_topic(self, thread_id: int, chat_id: int = FORUM) -> None:
        """Delete a topic with its messages: the bot's sends to it are refused, as on Telegram."""
        with self.journal.changed:
            self.world.topics[chat_id, thread_id] = None
            for stored in self.world.in_place(chat_id, thread_id):
                stored.deleted = True

    def close_topic(self, thread_id: int, chat_id: int = FORUM) -> None:
        """Close a topic: its messages stay, and the bot, which manages no topics, sends no more."""
        with self.journal.changed:
            self.world.closed_topics.add((chat_id, thread_id))

    def _known(self, message_id: int) -> Stored:
        stored = self.world.by_id(message_id)
        if stored is None:
            raise LookupError(f"no message {message_id}")
        return stored

    def _inject(self, fill: Callable[[Stored], None], origin: Origin) -> int:
        """Store a user's message and deliver it to the bot. Lock is taken here."""
        with self.journal.changed:
            chat_id = origin.get("chat_id", FORUM)
            user_id = origin.get("user_id", chat_id if chat_id > 0 else USER)
            name = origin.get("user_name", self.user_name)
            sender = self.world.user(user_id, name)
            if chat_id > 0 and chat_id not in self.world.chats:
                self.world.chat(chat_id)["first_name"] = name
            thread_id = origin.get("thread_id")
            if thread_id is not None:
                self.world.topic(chat_id, thread_id)
            stored = self.world.new_message(chat_id, thread_id, sender, None)
            stored.reply_to = origin.get("reply_to")
            fill(stored)
            if group := origin.get("media_group_id"):
                stored.media["media_group_id"] = group
            self._deliver(origin.get("bot_token"), "message", self.world.show(stored))
            self.journal.touch()
            return stored.id

    def _inject_file(
        self, kind: str, name: str, data: bytes, mime_type: str, caption: str, origin: Origin
    ) -> int:
        def fill(stored: Stored) -> None:
            upload = Upload.of(kind, name, data, mime_type)
            stored.kind, stored.files = kind, (upload,)
            stored.media = self.world.media(kind, upload, data)
            stored.text = stored.raw = caption
            stored.entities = entities_of(caption)

        return self._inject(fill, origin)

    def _deliver(self, token: str | None, kind: str, payload: dict[str, Any]) -> None:
        bot = self.world.bot(token or self.token)
        bot.queue(kind, payload)
        self._wake_poller(bot.token)

    def _show(self, stored: Stored) -> Message:
        rows = (stored.markup or {}).get("inline_keyboard") or []
        buttons = [
            Button(item.get("text", ""), item.get("callback_data", ""), item.get("url"))
            for row in rows
            for item in row
        ]
        return Message(
            id=stored.id,
            chat_id=stored.chat_id,
            thread_id=stored.thread_id,
            text=stored.text,
            raw=stored.raw,
            deleted=stored.deleted,
            reply_to=stored.reply_to,
            token=stored.token,
            kind=stored.kind,
            seq=stored.seq,
            edits=tuple(stored.edits),
            files=stored.files,
            buttons=tuple(buttons),
        )
