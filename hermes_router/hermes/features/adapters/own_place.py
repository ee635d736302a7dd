"""Keep a message in its own topic: if the topic is gone, the message is not sent at all.

When a topic is gone, some of Hermes's adapters send the same message again without it. The message
then lands in another topic, perhaps another profile's. While an adapter sends into a routed thread,
its client library refuses calls that have lost the thread. The adapter then reports a failure.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import importlib.util
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from hermes_router.config.model import RouterConfig
from hermes_router.hermes.compat.adapters import own_threads
from hermes_router.routing.table import GENERAL_THREAD, Place

logger = logging.getLogger(__name__)

#: Telegram's calls that put something into a chat begin with one of these words.
_POSTING = ("send", "forward", "copy")


@dataclass(frozen=True, slots=True)
class _Thread:
    chat_id: str
    thread_id: str


#: What Google Chat does with a message for a thread that does not exist: open a new one, or fail.
_OR_NEW_THREAD, _OR_FAIL = "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD", "REPLY_MESSAGE_OR_FAIL"

_kept: ContextVar[_Thread | None] = ContextVar("kept_in_thread", default=None)
"""The thread that the calls in this context must stay in; None for no thread."""


@contextmanager
def kept_in(chat_id: object, thread_id: object) -> Iterator[None]:
    """While the block runs, refuse calls that send into this chat, but outside of this thread.

    The block calls an adapter; the adapter's client library raises such a refusal to it. If
    ``thread_id`` is None, nothing is refused.
    """
    named = thread_id is not None and str(thread_id) not in {"", GENERAL_THREAD}
    token = _kept.set(_Thread(str(chat_id), str(thread_id)) if named else None)
    try:
        yield
    finally:
        _kept.reset(token)


class OwnPlaces:
    """Has adapters fail rather than send a routed thread's message to another thread.

    ``config`` returns the current configuration; while it returns None, all threads count as
    routed.
    """

    def __init__(self, config: Callable[[], RouterConfig | None]) -> None:
        self._config = config

    def take_over(self, adapter: Any) -> None:
        """Wrap an adapter's sending methods, and the library that carries its calls.

        The router calls this for each new adapter. A call for a routed thread then stays in the
        thread that it names, or fails. Adapters of platforms that do not need this are left as they
        are.
        """
        transport = _TRANSPORTS.get(adapter.platform.value)
        if transport is None or getattr(adapter, "kept_by", None) is self:
            return
        adapter.kept_by = self
        transport(adapter)
        for name in dir(type(adapter)):
            if name.startswith("send") and _takes_a_thread(getattr(adapter, name)):
                setattr(adapter, name, self._keeping(adapter, getattr(adapter, name)))

    def _keeping(self, adapter: Any, original: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(original)

        @functools.wraps(original)
        async def keeping(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind_partial(*args, **kwargs).arguments
            chat, thread = given.get("chat_id"), _thread_of(given.get("metadata"))
            if thread is None:
                return await original(*args, **kwargs)
            routed = self._is_routed(adapter.platform.value, str(chat), thread)
            with kept_in(chat, thread if routed else None):
                return await original(*args, **kwargs)

        return keeping

    def _is_routed(self, platform: str, chat: str, thread: str) -> bool:
        """Say whether the thread, or the chat around it, is routed."""
        config = self._config()
        if config is None:
            return True
        inside = config.decide(Place(platform=platform, chat_id=chat, thread_id=thread))
        around = config.decide(Place(platform=platform, chat_id=chat))
        if not chat.startswith("-") and inside.profile == around.profile:
            return False  # a private chat is one person's: nobody else reads what leaves the thread
        return {inside.action, around.action} != {"in_process"}


def _thread_of(metadata: Any) -> str | None:
    if not isinstance(metadata, dict):
        return None
    thread = metadata.get("thread_id") or metadata.get("message_thread_id")
    return str(thread) if thread else None


def _takes_a_thread(method: Any) -> bool:
    if not asyncio.iscoroutinefunction(method):
        return False
    return {"chat_id", "metadata"} <= set(inspect.signature(method).parameters)


# -- what carries an adapter's calls ---------------------------------------------------------------


def _replace_once(owner: Any, name: str, wrapped: Callable[[Any], Callable[..., Any]]) -> None:
    """Replace a function, once for all adapters, by what ``wrapped`` returns for it."""
    original = getattr(owner, name)
    if getattr(original, "keeps_threads", False):
        return
    keeping: Any = functools.wraps(original)(wrapped(original))
    keeping.keeps_threads = True
    setattr(owner, name, keeping)


def _keep_telegram(_adapter: Any) -> None:
    """Have the Bot API's client refuse a call that has lost its thread, as Telegram refuses one."""
    error = importlib.import_module("telegram.error").BadRequest

    def wrapped(original: Any) -> Callable[..., Any]:
        async def do_post(self: Any, endpoint: str, data: dict[str, Any], **options: Any) -> Any:
            kept = _kept.get()
            if kept is not None and _has_left(kept, endpoint, data):
                _log_gone(kept, endpoint)
                raise error("message thread not found; nothing was sent outside it")
            return await original(self, endpoint, data, **options)

        return do_post

    _replace_once(importlib.import_module("telegram").Bot, "_do_post", wrapped)


def _log_gone(kept: _Thread, call: str) -> None:
    logger.error(
        "hermes-router: not sent: topic %s of chat %s was deleted, and its messages are not "
        "sent elsewhere (%s)",
        *(kept.thread_id, kept.chat_id, call),
    )


def _has_left(kept: _Thread, endpoint: str, data: dict[str, Any]) -> bool:
    if not endpoint.lower().startswith(_POSTING) or str(data.get("chat_id")) != kept.chat_id:
        return False
    threads = (data.get("message_thread_id"), data.get("direct_messages_topic_id"))
    return kept.thread_id not in {str(thread) for thread in threads}


def _keep_mattermost(adapter: Any) -> None:
    """Wrap an adapter so that a post to a dead thread is not repeated in the channel."""

    def around(original: Any) -> Callable[..., Any]:
        @functools.wraps(original)
        async def post(chat_id: str, payload: dict[str, Any], metadata: Any) -> Any:
            if _kept.get() is None or not isinstance(metadata, dict):
                return await original(chat_id, payload, metadata)
            # The adapter repeats a post in the channel only if the post notifies people.
            return await original(chat_id, payload, {**metadata, "notify": False})

        return post

    own_threads.replace_mattermost_post(adapter, around)


def _keep_feishu(adapter: Any) -> None:
    """Wrap an adapter so that a voice message for a dead thread is not repeated in the chat."""

    def around(original: Any) -> Callable[..., Any]:
        @functools.wraps(original)
        async def send(*, reply_to: Any, metadata: Any, **message: Any) -> Any:
            kept = _kept.get()
            if kept is not None and not reply_to and _thread_of(metadata) is None:
                _log_gone(kept, "message.create")
                raise RuntimeError("message thread not found; nothing was sent outside it")
            return await original(reply_to=reply_to, metadata=metadata, **message)

        return send

    own_threads.replace_feishu_send(adapter, around)


def _keep_google_chat(adapter: Any) -> None:
    """Have Google Chat refuse a message for a dead thread, instead of opening a new thread.

    The adapter keeps one typing card for a whole space, and turns it into the reply. A routed
    thread's reply must not replace another thread's card. So a routed thread gets no typing card.
    """
    own_threads.replace_typing_cards(adapter, _CardsOfOthers)
    if importlib.util.find_spec("googleapiclient") is None:
        return  # without this library the adapter cannot connect
    error = importlib.import_module("googleapiclient.errors").HttpError

    def wrapped(original: Any) -> Callable[..., Any]:
        def execute(self: Any, *args: Any, **options: Any) -> Any:
            kept = _kept.get()
            if kept is None or _OR_NEW_THREAD not in self.uri:
                return original(self, *args, **options)
            self.uri = self.uri.replace(_OR_NEW_THREAD, _OR_FAIL)
            try:
                return original(self, *args, **options)
            except error as refusal:
                if refusal.resp.status == HTTPStatus.NOT_FOUND:
                    _log_gone(kept, "messages.create")
                raise

        return execute

    client = importlib.import_module("googleapiclient.http")
    _replace_once(client.HttpRequest, "execute", wrapped)


class _CardsOfOthers(dict[str, str]):
    """An adapter's typing cards, by chat; calls for a routed thread neither see nor add any."""

    def __contains__(self, chat: object) -> bool:
        """Return True for a routed thread, so that the adapter makes no card for it."""
        return _kept.get() is not None or super().__contains__(chat)

    def __setitem__(self, chat: str, card: str) -> None:
        """Keep a card, unless the call is for a routed thread."""
        if _kept.get() is None:
            super().__setitem__(chat, card)

    def get(self, chat: str, default: Any = None) -> Any:
        """Return the chat's card."""
        return default if _kept.get() is not None else super().get(chat, default)

    def pop(self, chat: str, default: Any = None) -> Any:
        """Remove the chat's card, and return it."""
        return default if _kept.get() is not None else super().pop(chat, default)


_TRANSPORTS = {
    "telegram": _keep_telegram,
    "mattermost": _keep_mattermost,
    "feishu": _keep_feishu,
    "google_chat": _keep_google_chat,
}
