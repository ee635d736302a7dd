"""A message reaches its own topic, or nobody: never the rest of the chat.

When a topic is gone, some of Hermes's adapters send the same message again without it. It then
lands in another topic, which may be another profile's. While an adapter sends into a routed thread,
what carries its calls refuses those that have lost the thread; the adapter reports a failure.
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
from hermes_router.routing.table import GENERAL_THREAD, Place

logger = logging.getLogger(__name__)

#: Calls of Telegram's that put something into a chat, by how their names begin.
_POSTING = ("send", "forward", "copy")


@dataclass(frozen=True, slots=True)
class _Thread:
    chat_id: str
    thread_id: str


#: What Google Chat is to do with a message for a thread that it does not have.
_OR_NEW_THREAD, _OR_FAIL = "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD", "REPLY_MESSAGE_OR_FAIL"

_kept: ContextVar[_Thread | None] = ContextVar("kept_in_thread", default=None)
"""The thread that a call is for, while it must not leave it."""


@contextmanager
def kept_in(chat_id: object, thread_id: object) -> Iterator[None]:
    """Let nothing that is called in here send into the chat outside the thread, if there is one."""
    named = thread_id is not None and str(thread_id) not in {"", GENERAL_THREAD}
    token = _kept.set(_Thread(str(chat_id), str(thread_id)) if named else None)
    try:
        yield
    finally:
        _kept.reset(token)


class OwnPlaces:
    """Keeps what adapters send for routed threads in these threads."""

    def __init__(self, config: Callable[[], RouterConfig | None]) -> None:
        self._config = config

    def take_over(self, adapter: Any) -> None:
        """Have an adapter's methods that send keep to the thread that they are called with."""
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
            if thread is None or not self._is_routed(adapter.platform.value, str(chat), thread):
                return await original(*args, **kwargs)
            with kept_in(chat, thread):
                return await original(*args, **kwargs)

        return keeping

    def _is_routed(self, platform: str, chat: str, thread: str) -> bool:
        """Say whether the thread, or what is around it, is a profile's."""
        config = self._config()
        if config is None:
            return True
        inside = config.decide(Place(platform=platform, chat_id=chat, thread_id=thread))
        around = config.decide(Place(platform=platform, chat_id=chat))
        if not chat.startswith("-") and inside.profile == around.profile:
            return False  # a private chat is one person's: what leaves the thread reaches no other
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
    """Put what ``wrapped`` makes of a function in its place, for all adapters together."""
    original = getattr(owner, name)
    if getattr(original, "keeps_threads", False):
        return
    keeping: Any = functools.wraps(original)(wrapped(original))
    keeping.keeps_threads = True
    setattr(owner, name, keeping)


def _keep_telegram(_adapter: Any) -> None:
    """Have the Bot API's client refuse what has lost its thread, as Telegram refuses a dead one."""
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
        "hermes-router: not sent: topic %s of chat %s is gone, and what was for it goes "
        "nowhere else (%s)",
        *(kept.thread_id, kept.chat_id, call),
    )


def _has_left(kept: _Thread, endpoint: str, data: dict[str, Any]) -> bool:
    if not endpoint.lower().startswith(_POSTING) or str(data.get("chat_id")) != kept.chat_id:
        return False
    threads = (data.get("message_thread_id"), data.get("direct_messages_topic_id"))
    return kept.thread_id not in {str(thread) for thread in threads}


def _keep_mattermost(adapter: Any) -> None:
    """Have a post that a dead thread refused not be made in its channel instead."""
    original = getattr(adapter, "_post_preserving_thread", None)
    if original is None:
        return

    @functools.wraps(original)
    async def post(chat_id: str, payload: dict[str, Any], metadata: Any) -> Any:
        if _kept.get() is None or not isinstance(metadata, dict):
            return await original(chat_id, payload, metadata)
        # Only what is worth a notification falls back to the channel.
        return await original(chat_id, payload, {**metadata, "notify": False})

    adapter._post_preserving_thread = post


def _keep_google_chat(adapter: Any) -> None:
    """Have Google Chat refuse what is for a dead thread, instead of beginning a new one for it.

    The adapter has one typing card for a whole space, and turns it into the reply. A routed
    thread's reply may not become another thread's card, so that a routed thread has none.
    """
    adapter._typing_messages = _CardsOfOthers(getattr(adapter, "_typing_messages", {}))
    if importlib.util.find_spec("googleapiclient") is None:
        return  # it cannot connect either
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
    """The typing cards of an adapter, by chat; a call for a routed thread sees and makes none."""

    def __contains__(self, chat: object) -> bool:
        """Say that there is a card already, so that a routed thread gets none."""
        return _kept.get() is not None or super().__contains__(chat)

    def __setitem__(self, chat: str, card: str) -> None:
        """Keep a card, if it is not a routed thread's."""
        if _kept.get() is None:
            super().__setitem__(chat, card)

    def get(self, chat: str, default: Any = None) -> Any:
        """Return the chat's card."""
        return default if _kept.get() is not None else super().get(chat, default)

    def pop(self, chat: str, default: Any = None) -> Any:
        """Take the chat's card away, and return it."""
        return default if _kept.get() is not None else super().pop(chat, default)


_TRANSPORTS = {
    "telegram": _keep_telegram,
    "mattermost": _keep_mattermost,
    "google_chat": _keep_google_chat,
}
