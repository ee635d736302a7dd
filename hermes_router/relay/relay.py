"""Execute a worker's adapter calls on the real adapter, under a policy.

The worker is not trusted. It may call only the methods in the table of
:mod:`hermes_router.protocol.surface`, and only for its own conversation: chat and thread are
compared, and a missing thread is filled in. Message ids must belong to this conversation. The relay
never opens a path that a worker names. This module imports no adapter of Hermes; it knows adapters
only by the names of their attributes.
"""

from __future__ import annotations

import inspect
import ipaddress
import urllib.parse
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.base.bounded import BoundedMap
from hermes_router.base.errors import RelayRefused
from hermes_router.protocol.messages import FileRef
from hermes_router.protocol.serialize import plain
from hermes_router.protocol.surface import ADAPTER_METHODS, METADATA_KEYS, Method
from hermes_router.relay import fresh_finals
from hermes_router.relay.attachments import Spool
from hermes_router.relay.capabilities import names_files, relayed_methods, required, takes
from hermes_router.relay.prompts import Ask
from hermes_router.relay.shown_text import ShownText
from hermes_router.workers.worker_log import one_line

#: Maximum number of remembered message ids of a conversation, for edits, deletions and replies.
_REMEMBERED_MESSAGES = 4096

_TYPING = frozenset({"send_typing", "stop_typing"})
_TYPING_PAUSES = {"pause_typing_for_chat": True, "resume_typing_for_chat": False}
_CHAT_PARAMETERS = frozenset({"chat_id"})

#: For each profile, how many calls of its workers were refused since this process started.
refused_calls: Counter[str] = Counter()


class MessageIds:
    """The ids of one conversation's newest messages, those of its people and those of its worker.

    A worker may edit, delete or reply to these messages only.
    """

    def __init__(self) -> None:
        self._ids: BoundedMap[str, None] = BoundedMap(_REMEMBERED_MESSAGES)

    def add(self, ids: Iterable[object]) -> None:
        """Remember ids; skip None, and drop the oldest ids when there are too many."""
        for number in ids:
            if number is not None:
                self._ids[str(number)] = None

    def __contains__(self, number: object) -> bool:
        return str(number) in self._ids


@dataclass(slots=True)
class RelayTarget:
    """The conversation that a worker may act on. :meth:`named` says by which ids it may be named.

    Attributes:
        chat_id: the chat of its newest message. ``thread_id`` is the thread of it, or None.
        user_ids: the users of the session; the worker may address only them.
        identity: the gateway's values for metadata, such as the workspace; a worker's are replaced.
        messages: the ids of messages that the worker may edit, delete or reply to.
        attended: returns True while the gateway's own adapter shows "typing" in the chat; the
            worker's typing calls are then ignored.
        session: the session's key.
        may_open: returns True if a new thread of the chat would be the profile's.
        replaced: for previews that were replaced by a new message, the id of the new one.
        shown: what the newest message shows.
        typing_paused: True after the worker has paused the typing sign.
    """

    profile: str
    chat_id: str
    thread_id: str | None
    user_ids: frozenset[str]
    identity: Mapping[str, Any] = field(default_factory=dict)
    messages: MessageIds = field(default_factory=MessageIds)
    attended: Callable[[], bool] = lambda: False
    session: str = ""
    may_open: Callable[[], bool] = lambda: False
    replaced: fresh_finals.Replaced = field(default_factory=fresh_finals.none_replaced)
    shown: ShownText = field(default_factory=ShownText)
    typing_paused: bool = False
    _chats: frozenset[str] = field(init=False)
    _threads: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self._chats, self._threads = frozenset(), frozenset()
        self.named(self.chat_id, self.thread_id)

    def named(self, chat_id: str, thread_id: str | None, *, later: str | None = None) -> None:
        """Note the ids by which a new message names the conversation; the worker may use them.

        A chat may have several ids, and a thread may have none at first. ``later`` is the thread in
        which the answer will be, if the message is in none yet.
        """
        self.chat_id, self.thread_id = chat_id, thread_id
        self._chats |= {chat_id}
        self._threads |= {str(one) for one in (thread_id, later) if one is not None}

    def is_chat(self, value: object) -> bool:
        """Return True if this is an id of the conversation's chat; the relay refuses any other."""
        return str(value) in self._chats

    def is_thread(self, value: object) -> bool:
        """Return True if this is an id of the conversation's thread; the relay refuses others."""
        return str(value) in self._threads

    def name(self, *parts: object) -> str:
        """Return a text made of ``parts`` that no other conversation uses.

        The relay gives it to the adapter as the name of a status message or a draft.
        """
        return "/".join((self.profile, self.session, *(one_line(str(part), 100) for part in parts)))


class Relay:
    """Executes the adapter calls of one conversation's workers on the platform's real ``adapter``.

    ``target`` is the conversation; a call for any other is refused.
    """

    def __init__(self, adapter: Any, target: RelayTarget) -> None:
        self._adapter = adapter
        self._target = target

    async def execute(
        self, name: str, args: Mapping[str, Any], spool: Spool, ask: Ask | None = None
    ) -> Any:
        """Call the adapter's method ``name``; return its result as plain data.

        ``args`` are the worker's; files among them are taken from ``spool``. ``ask`` shows a prompt
        that waits for a person; without ``ask`` all prompts are refused. ``refused_calls`` counts
        the refused calls.

        Raises:
            RelayRefused: the policy does not allow this call. The adapter was not called.
            ProtocolError: a file that the call names did not arrive completely.
            Exception: the adapter's own error.
        """
        try:
            return await self._execute(name, args, spool, ask)
        except RelayRefused:
            refused_calls[self._target.profile] += 1
            raise

    async def _execute(
        self, name: str, args: Mapping[str, Any], spool: Spool, ask: Ask | None
    ) -> Any:
        method = ADAPTER_METHODS.get(name)
        if method is None or name not in relayed_methods(self._adapter):
            raise self._refused(name, "is not relayed")
        if name in _TYPING and self._target.attended():
            return None
        if name in _TYPING_PAUSES:
            self._target.typing_paused = _TYPING_PAUSES[name]
        function = getattr(self._adapter, name)
        with ExitStack() as files:
            kwargs = self._arguments(method, function, args, spool, files)
            if method.kind == "prompt":
                if ask is None:
                    raise self._refused(
                        name, "needs an answer, but the worker does not wait for one"
                    )
                value = ask(self._adapter, method, kwargs)
            elif name == "edit_message":
                edit = partial(fresh_finals.edit, self._adapter, kwargs, self._target.replaced)
                value = self._target.shown.edited(kwargs, edit)
            else:
                value = function(**kwargs)
            if inspect.isawaitable(value):
                value = await value
        if name == "send":
            self._target.shown.sent(kwargs, value)
        elif name == "delete_message":
            self._target.shown.deleted(kwargs["message_id"])
        return self._result(method, value)

    def resume_typing(self) -> None:
        """Let the adapter show "typing" again if the worker, now gone, has paused it.

        Else the chat would never show it again.
        """
        if self._target.typing_paused:
            self._target.typing_paused = False
            self._adapter.resume_typing_for_chat(chat_id=self._target.chat_id)

    # -- arguments -----------------------------------------------------------------------------

    def _arguments(
        self,
        method: Method,
        function: Callable[..., Any],
        args: Mapping[str, Any],
        spool: Spool,
        files: ExitStack,
    ) -> dict[str, Any]:
        unknown = set(args) - set(method.params)
        if unknown:
            raise self._refused(method.name, f"has no parameter {min(unknown)[:100]!r}")
        # Workers do not send None. So parameters without a default get None here, for example the
        # choices of an open question.
        needed = dict.fromkeys(set(method.params) & required(function))
        kwargs = needed | {name: value for name, value in args.items() if takes(function, name)}
        if method.opens and not self._target.may_open():
            raise self._refused(method.name, "may open no thread where another profile answers")
        self._check_places(method, kwargs)
        self._check_messages(method, kwargs)
        if names_files(self._adapter, kwargs.get("content")):
            raise self._refused(method.name, "may not name a file of this machine in its text")
        self._rename(method, kwargs, spool)
        if "metadata" in method.params and takes(function, "metadata"):
            kwargs["metadata"] = self._metadata(method, kwargs.get("metadata"))
        for name, shape in method.files.items():
            if kwargs.get(name) is not None:
                kwargs[name] = self._files(method, kwargs[name], shape, spool, files)
        return kwargs

    def _check_places(self, method: Method, kwargs: dict[str, Any]) -> None:
        target = self._target
        for name in method.places:
            value = kwargs.get(name)
            if name in method.rewrites:
                continue  # the relay replaces the worker's value
            if name in _CHAT_PARAMETERS:
                if not target.is_chat(value):
                    raise self._refused(method.name, "may act only on its own conversation", value)
            elif name == "user_id":
                if str(value) not in target.user_ids:
                    raise self._refused(
                        method.name, "may address only users of its own session", value
                    )
            elif (
                name != "metadata"
                and value is not None
                and not (target.is_thread(value) or target.is_chat(value))
            ):
                raise self._refused(method.name, f"may not choose {name}", value)

    def _check_messages(self, method: Method, kwargs: dict[str, Any]) -> None:
        """Refuse ids of other conversations' messages; a reply to one becomes a plain message."""
        for name in method.messages:
            value = kwargs.get(name)
            if value is None:
                continue
            if value in self._target.messages:
                kwargs[name] = self._target.replaced.get(str(value), value)
                continue
            if name == "reply_to":
                kwargs[name] = None
            else:
                raise self._refused(
                    method.name, "may name only messages of its own conversation", value
                )

    def _rename(self, method: Method, kwargs: dict[str, Any], spool: Spool) -> None:
        """Replace names and numbers that the adapter keeps for a chat by unique ones.

        Each worker numbers its drafts from the start, so their numbers are made unique by a token
        of the worker.
        """
        for name in set(method.rewrites) & set(kwargs):
            if method.rewrites[name] == "status_key":
                kwargs[name] = self._target.name(kwargs[name])
            elif method.rewrites[name] == "draft_id":
                unique = self._target.name(spool.token, kwargs[name]).encode()
                kwargs[name] = zlib.crc32(unique) & 0x7FFFFFFF or 1

    def _metadata(self, method: Method, given: Any) -> dict[str, Any] | None:
        if given is not None and not isinstance(given, dict):
            raise self._refused(method.name, "has metadata that is not a mapping")
        thread = self._target.thread_id
        metadata: dict[str, Any] = {}
        for name, value in (given or {}).items():
            key = METADATA_KEYS.get(name)
            role = key.role if key is not None else "unknown"
            if role == "place" and value is None:
                continue  # the thread is filled in below: without one an adapter takes the chat
            if role == "place" and not self._target.is_thread(value):
                raise self._refused(method.name, "may act only on its own conversation", value)
            if role in {"place", "flag"} or (role == "message" and value in self._target.messages):
                metadata[name] = value
            elif role == "identity" and name in self._target.identity:
                metadata[name] = self._target.identity[name]
        if thread is not None:
            metadata.setdefault("thread_id", thread)
        return metadata or None

    # -- files ---------------------------------------------------------------------------------

    def _files(self, method: Method, value: Any, shape: str, spool: Spool, files: ExitStack) -> Any:
        if shape != "url_batch":
            return self._file(method, value, shape, spool, files)
        if not isinstance(value, list) or any(
            not isinstance(pair, list) or len(pair) != 2 for pair in value
        ):
            raise self._refused(method.name, "takes a list of pairs")
        return [(self._file(method, url, "uri", spool, files), str(alt)) for url, alt in value]

    def _file(self, method: Method, value: Any, shape: str, spool: Spool, files: ExitStack) -> str:
        if isinstance(value, dict) and set(value) == {"$file"}:
            try:
                reference = msgspec.convert(value["$file"], FileRef)
            except msgspec.ValidationError as error:
                raise self._refused(method.name, f"has a bad file reference: {error}") from error
            path = spool.claim(reference)
            files.callback(spool.release, path)
            return _uri(path) if shape == "uri" else str(path)
        if shape in {"url", "uri"} and isinstance(value, str) and _is_public(value):
            if spool.addresses:
                return value
            raise self._refused(method.name, "may name no address: its network is off", value)
        raise self._refused(method.name, "may not name a file of this machine", value)

    # -- results -------------------------------------------------------------------------------

    def _result(self, method: Method, value: Any) -> Any:
        if method.result == "none" or value is None:
            return None
        if method.result == "send_result":
            more = getattr(value, "continuation_message_ids", ())
            self._target.messages.add([getattr(value, "message_id", None), *more])
            return plain(vars(value))
        return plain(value)

    def _refused(self, name: str, why: str, value: object = None) -> RelayRefused:
        told = f": {one_line(repr(value), 100)} is not allowed" if value is not None else ""
        return RelayRefused(
            one_line(f"{name[:100]} {why}{told}"),
            call=one_line(name, 100),
            target=one_line(str(value), 100),
            profile=self._target.profile,
        )


def says_whether_sent(name: str) -> bool:
    """Return True if the result of the adapter's method ``name`` says whether it has succeeded.

    False also for a method that the table does not have.
    """
    method = ADAPTER_METHODS.get(name)
    return method is not None and method.result == "send_result"


def not_connected(name: str, platform: str, *, retry: bool) -> dict[str, Any]:
    """Return the result of the method ``name`` while ``platform`` has no adapter, as plain data.

    Hermes's adapters report this as a send that has failed. Hermes keeps such a reply, and sends it
    later. ``retry`` says whether the worker's Hermes should try again itself.

    Raises:
        ConnectionError: the method's result cannot say that it has failed.
    """
    if not says_whether_sent(name):
        raise ConnectionError(f"the gateway is not connected to {platform}")
    return {"success": False, "error": "Not connected", "retryable": retry}


def _uri(path: Path) -> str:
    return f"file://{urllib.parse.quote(str(path))}"


def _is_public(address: str) -> bool:
    """Return True if this is an ``http`` address that is not in the gateway's own network.

    A host name may still lead there. The code that fetches it must check the resolved address, as
    Hermes does.
    """
    try:
        parts = urllib.parse.urlsplit(address)
        host = (parts.hostname or "").rstrip(".").lower()
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or not address.isprintable() or not host:
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        # The code that fetches it reads 127.1, 0x7f000001 and the like as addresses.
        number = host.replace(".", "").replace("x", "").isalnum() and host[-1].isdigit()
        return not number and host != "localhost" and not host.endswith((".localhost", ".internal"))
