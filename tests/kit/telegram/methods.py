"""The Bot API methods: what each call does to the world, and what it answers.

A method takes the world, the bot and the call, and returns the `result` of the answer, or raises
`RefusedError`.
Methods that are missing here answer `true`: most of the API is write-only for a bot.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.kit.telegram.text import MAX_CAPTION, MAX_TEXT, render, utf16_length
from tests.kit.telegram.types import Call, Stored, Upload
from tests.kit.telegram.world import BotState, World


class RefusedError(Exception):
    """The Bot API says no."""

    def __init__(self, code: int, description: str, retry_after: int | None = None) -> None:
        super().__init__(f"{code} {description}")
        self.code = code
        self.description = description
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """Return the JSON answer."""
        body: dict[str, Any] = {"ok": False, "error_code": self.code}
        body["description"] = self.description
        if self.retry_after is not None:
            body["parameters"] = {"retry_after": self.retry_after}
        return body


@dataclass(frozen=True, slots=True)
class Incoming:
    """A call before it was executed: `Call` is made from it afterwards."""

    call: Call
    contents: dict[str, bytes]
    """Bytes of each uploaded part, by field name, whatever their size."""
    touched: list[int]
    """Ids of the messages that the method made or changed; filled by the method."""


Method = Callable[[World, BotState, Incoming], Any]


def bad_request(description: str) -> RefusedError:
    """Return a 400, whose descriptions the adapter matches on."""
    return RefusedError(400, f"Bad Request: {description}")


def _params(incoming: Incoming) -> Any:
    return incoming.call.params


def _chat_id(incoming: Incoming) -> int:
    chat_id = _params(incoming).get("chat_id")
    if not isinstance(chat_id, int):
        raise bad_request("chat not found")
    return chat_id


def _compose(world: World, bot: BotState, incoming: Incoming, text: str, limit: int) -> Stored:
    """Check the target and the text, and store a bot's message."""
    params, chat_id = _params(incoming), _chat_id(incoming)
    thread_id = params.get("message_thread_id")
    forum = world.chat(chat_id).get("is_forum", False)
    if thread_id is not None and (
        thread_id == 1 or (forum and world.topic(chat_id, thread_id) is None)
    ):
        raise bad_request("message thread not found")
    if (chat_id, thread_id) in world.closed_topics:
        raise bad_request("TOPIC_CLOSED")
    rendered = render(text, params.get("parse_mode"))
    if utf16_length(rendered) > limit:
        raise bad_request("message is too long" if limit == MAX_TEXT else "caption is too long")
    replied = (params.get("reply_parameters") or {}).get("message_id")
    replied = replied or params.get("reply_to_message_id")
    if replied is not None and _is_gone(world.by_id(replied, chat_id)):
        lenient = (params.get("reply_parameters") or {}).get("allow_sending_without_reply")
        if not (lenient or params.get("allow_sending_without_reply")):
            raise bad_request("message to be replied not found")
        replied = None
    stored = world.new_message(chat_id, thread_id if forum or chat_id > 0 else None, {}, bot.token)
    stored.sender = bot.user()
    stored.text, stored.raw, stored.reply_to = rendered, text, replied
    stored.markup = params.get("reply_markup")
    incoming.touched.append(stored.id)
    return stored


def _is_gone(stored: Stored | None) -> bool:
    return stored is None or stored.deleted


def send_message(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Post a text."""
    text = str(_params(incoming).get("text", ""))
    if not text.strip():
        raise bad_request("message text is empty")
    return world.show(_compose(world, bot, incoming, text, MAX_TEXT))


def send_rich_message(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Refuse as a server without rich messages does; the adapter then sends plain ones."""
    raise RefusedError(404, "Not Found: method not found")


def _sender(kind: str) -> Method:
    """Return the method that posts one file of this kind."""

    def send(world: World, bot: BotState, incoming: Incoming) -> Any:
        caption = str(_params(incoming).get("caption", ""))
        stored = _compose(world, bot, incoming, caption, MAX_CAPTION)
        _attach(world, stored, kind, incoming, _params(incoming).get(kind), kind)
        return world.show(stored)

    return send


def _attach(
    world: World, stored: Stored, kind: str, incoming: Incoming, value: Any, default_field: str
) -> None:
    """Give a message its file: an uploaded part, an earlier file id, or a URL."""
    wanted = str(value or "").removeprefix("attach://")
    for upload in incoming.call.files:
        if upload.field in (wanted, default_field):
            break
    else:
        known = world.files.get(wanted)
        data = known.content if known is not None else b""
        upload = Upload.of(kind, known.path if known else wanted, data, None)
    content = incoming.contents.get(upload.field, upload.content or b"")
    stored.kind, stored.files = kind, (upload,)
    stored.media = world.media(kind, upload, content)


def send_media_group(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Post an album: one message for each item."""
    shown = []
    for item in _params(incoming).get("media", []):
        stored = _compose(world, bot, incoming, str(item.get("caption", "")), MAX_CAPTION)
        _attach(world, stored, item["type"], incoming, item.get("media"), "")
        stored.media["media_group_id"] = f"album-{incoming.touched[0]}"
        shown.append(world.show(stored))
    return shown


def _existing(world: World, incoming: Incoming, verb: str) -> Stored:
    stored = world.by_id(int(_params(incoming).get("message_id", 0)), _chat_id(incoming))
    if stored is None or stored.deleted:
        raise bad_request(f"message to {verb} not found")
    incoming.touched.append(stored.id)
    return stored


def edit_text(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Change the text or caption of a bot's own message."""
    stored, params = _existing(world, incoming, "edit"), _params(incoming)
    if stored.token != bot.token:
        raise bad_request("message can't be edited")
    if "rich_message" in params:
        raise bad_request("message text is empty")
    raw = incoming.call.text
    rendered, markup = render(raw, params.get("parse_mode")), params.get("reply_markup")
    if utf16_length(rendered) > (MAX_CAPTION if stored.media else MAX_TEXT):
        raise bad_request("MESSAGE_TOO_LONG")
    if rendered == stored.text and markup == stored.markup:
        raise bad_request(
            "message is not modified: specified new message content and reply markup are "
            "exactly the same as a current content and reply markup of the message"
        )
    stored.edits.append(stored.text)
    stored.text, stored.raw, stored.markup = rendered, raw, markup
    stored.edit_date = int(time.time())
    return world.show(stored)


def edit_markup(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Replace or remove a message's buttons."""
    stored, markup = _existing(world, incoming, "edit"), _params(incoming).get("reply_markup")
    if markup == stored.markup:
        raise bad_request("message is not modified")
    stored.markup = markup
    return world.show(stored)


def delete_message(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Delete a message."""
    _existing(world, incoming, "delete").deleted = True
    return True


def send_draft(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Show a streaming draft; DMs only."""
    params, chat_id = _params(incoming), _chat_id(incoming)
    if chat_id < 0:
        raise bad_request("drafts are available in private chats only")
    text = render(incoming.call.text, params.get("parse_mode"))
    world.drafts.setdefault((chat_id, int(params.get("draft_id", 0))), []).append(text)
    return True


def set_reaction(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Set or clear the bot's reactions on a message."""
    key = (_chat_id(incoming), int(_params(incoming).get("message_id", 0)))
    reactions = _params(incoming).get("reaction") or []
    world.reactions[key] = [str(item.get("emoji", "")) for item in reactions]
    return True


def get_me(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Describe the bot."""
    return bot.user() | {
        "can_join_groups": True,
        "can_read_all_group_messages": True,
        "supports_inline_queries": False,
    }


def webhook_info(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Report pending updates; the adapter's heartbeat looks at them."""
    return {
        "url": bot.webhook,
        "has_custom_certificate": False,
        "pending_update_count": len(bot.updates),
    }


def set_webhook(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Set (or with no url, remove) the webhook; may drop what is pending."""
    bot.webhook = str(_params(incoming).get("url", ""))
    if _params(incoming).get("drop_pending_updates"):
        bot.updates.clear()
    return True


def _scope(incoming: Incoming) -> str:
    return str(_params(incoming).get("scope") or "default")


def set_commands(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Set the command menu of one scope."""
    bot.commands[_scope(incoming)] = list(_params(incoming).get("commands") or [])
    return True


def get_commands(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Return the command menu of one scope."""
    return bot.commands.get(_scope(incoming), [])


def delete_commands(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Clear the command menu of one scope."""
    bot.commands.pop(_scope(incoming), None)
    return True


def get_file(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Tell where a file can be downloaded."""
    file = world.files.get(str(_params(incoming).get("file_id")))
    if file is None:
        raise bad_request("wrong file_id or the file is temporarily unavailable")
    return {
        "file_id": file.id,
        "file_unique_id": file.id[4:],
        "file_size": len(file.content),
        "file_path": file.path,
    }


def get_chat(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Describe a chat."""
    gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription")
    accepted = dict.fromkeys((*gifts, "gifts_from_channels"), False)
    full = {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": accepted}
    return dict(world.chat(_chat_id(incoming))) | full


def get_chat_member(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Everybody is a plain member."""
    user_id = int(_params(incoming).get("user_id", 0))
    return {"status": "member", "user": bot.user() if user_id == bot.id else world.user(user_id)}


def create_topic(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Create a forum topic."""
    world.last_thread += 1
    name = str(_params(incoming).get("name", ""))
    world.topics[_chat_id(incoming), world.last_thread] = name
    return {"message_thread_id": world.last_thread, "name": name, "icon_color": 7322096}


def edit_topic(world: World, bot: BotState, incoming: Incoming) -> Any:
    """Rename a forum topic."""
    key = (_chat_id(incoming), int(_params(incoming).get("message_thread_id", 0)))
    if name := _params(incoming).get("name"):
        world.topics[key] = str(name)
    return True


_FILE_KINDS = ("photo", "document", "voice", "audio", "video", "animation", "sticker")

METHODS: dict[str, Method] = {
    "getme": get_me,
    "getwebhookinfo": webhook_info,
    "setwebhook": set_webhook,
    "deletewebhook": set_webhook,
    "setmycommands": set_commands,
    "getmycommands": get_commands,
    "deletemycommands": delete_commands,
    "sendmessage": send_message,
    "sendmessagedraft": send_draft,
    "sendrichmessage": send_rich_message,
    "sendrichmessagedraft": send_rich_message,
    "sendmediagroup": send_media_group,
    "sendvideonote": _sender("video_note"),
    **{f"send{kind}": _sender(kind) for kind in _FILE_KINDS},
    "editmessagetext": edit_text,
    "editmessagecaption": edit_text,
    "editmessagereplymarkup": edit_markup,
    "deletemessage": delete_message,
    "setmessagereaction": set_reaction,
    "getfile": get_file,
    "getchat": get_chat,
    "getchatmember": get_chat_member,
    "createforumtopic": create_topic,
    "editforumtopic": edit_topic,
    "getforumtopiciconstickers": lambda world, bot, incoming: [],
}
"""Method names as the Bot API compares them: without case."""
