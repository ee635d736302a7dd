"""Executing a worker's adapter calls on the real adapter, under a policy.

The worker is not trusted. What it may call is the table of :mod:`hermes_router.protocol.surface`;
where, is its own conversation: chat and thread are compared, a missing thread is filled in, message
ids must be ones of this conversation, and no path that a worker names is ever opened. The adapter
is whatever Hermes has; this module knows it by attribute names only.
"""

from __future__ import annotations

import functools
import inspect
import ipaddress
import logging
import urllib.parse
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.errors import RelayRefused
from hermes_router.logs import one_line
from hermes_router.prompts import Ask
from hermes_router.protocol.messages import FileRef
from hermes_router.protocol.plain import plain
from hermes_router.protocol.quick_yaml import reading_yaml_quickly
from hermes_router.protocol.surface import (
    ADAPTER_METHODS,
    CAPABILITIES,
    METADATA_KEYS,
    TEXT_OPENS_FILES,
    Capability,
    Method,
    length_unit,
)
from hermes_router.spool import Spool

logger = logging.getLogger(__name__)

#: Ids of a conversation's messages that are remembered, for edits, deletions and replies.
_REMEMBERED_MESSAGES = 4096

_TYPING = frozenset({"send_typing", "stop_typing"})
_TYPING_PAUSES = {"pause_typing_for_chat": True, "resume_typing_for_chat": False}
_CHAT_PARAMETERS = frozenset({"chat_id"})


class MessageIds:
    """The ids of the messages that are known to be of one conversation, newest last."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, ids: Iterable[object]) -> None:
        """Remember ids; None is skipped, the oldest are forgotten."""
        for number in ids:
            if number is not None:
                self._ids[str(number)] = None
                self._ids.move_to_end(str(number))
        while len(self._ids) > _REMEMBERED_MESSAGES:
            self._ids.popitem(last=False)

    def __contains__(self, number: object) -> bool:
        return str(number) in self._ids


@dataclass(slots=True)
class RelayTarget:
    """The conversation that a worker may act on.

    ``attended`` says whether the gateway's own adapter shows "typing" for it at the moment;
    ``session`` is the session's key.
    """

    profile: str
    chat_id: str
    thread_id: str | None
    user_ids: frozenset[str]
    identity: Mapping[str, Any] = field(default_factory=dict)
    messages: MessageIds = field(default_factory=MessageIds)
    attended: Callable[[], bool] = lambda: False
    session: str = ""
    typing_paused: bool = False

    def name(self, *parts: object) -> str:
        """Return a name for something of this conversation that an adapter keeps for a chat."""
        return "/".join((self.profile, self.session, *(one_line(str(part), 100) for part in parts)))


class Relay:
    """Executes the calls of one conversation's workers on ``adapter``."""

    def __init__(self, adapter: Any, target: RelayTarget) -> None:
        self._adapter = adapter
        self._target = target

    async def execute(
        self, name: str, args: Mapping[str, Any], spool: Spool, ask: Ask | None = None
    ) -> Any:
        """Call the method ``name``; return its result as plain data.

        ``ask`` shows a prompt that waits for a person; without it there are no prompts.

        Raises:
            RelayRefused: the policy does not allow this call; nothing was done.
        """
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
                    raise self._refused(name, "has nobody to wait for it")
                value = ask(self._adapter, method, kwargs)
            else:
                value = function(**kwargs)
            if inspect.isawaitable(value):
                value = await value
        return self._result(method, value)

    def resume_typing(self) -> None:
        """Have the adapter show "typing" again where a worker that is gone had paused it."""
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
        # What is None does not cross: an open question has no choices, but they must be passed.
        needed = dict.fromkeys(set(method.params) & _required(function))
        kwargs = needed | {name: value for name, value in args.items() if _takes(function, name)}
        self._check_places(method, kwargs)
        self._check_messages(method, kwargs)
        if names_files(self._adapter, kwargs.get("content")):
            raise self._refused(method.name, "may not name a file of this machine in its text")
        self._rename(method, kwargs, spool)
        if "metadata" in method.params and _takes(function, "metadata"):
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
                continue  # what the worker says there never reaches the adapter
            if name in _CHAT_PARAMETERS:
                if str(value) != target.chat_id:
                    raise self._refused(method.name, "acts on its own conversation only", value)
            elif name == "user_id":
                if str(value) not in target.user_ids:
                    raise self._refused(method.name, "may address its own session's users", value)
            elif name != "metadata" and value not in (
                None,
                target.thread_id,
                target.chat_id,
            ):  # it may have no hash
                raise self._refused(method.name, f"may not choose {name}", value)

    def _check_messages(self, method: Method, kwargs: dict[str, Any]) -> None:
        """Refuse to touch foreign messages; a reply to one merely loses its anchor."""
        for name in method.messages:
            value = kwargs.get(name)
            if value is None or value in self._target.messages:
                continue
            if name == "reply_to":
                kwargs[name] = None
            else:
                raise self._refused(method.name, "knows its own conversation's messages", value)

    def _rename(self, method: Method, kwargs: dict[str, Any], spool: Spool) -> None:
        """Give what the adapter keeps for a chat names that no other conversation has.

        Drafts are numbered by each worker anew: their numbers are drawn from the worker's name.
        """
        for name in set(method.rewrites) & set(kwargs):
            if method.rewrites[name] == "status_key":
                kwargs[name] = self._target.name(kwargs[name])
            elif method.rewrites[name] == "draft_id":
                unique = self._target.name(spool.token, kwargs[name]).encode()
                kwargs[name] = zlib.crc32(unique) & 0x7FFFFFFF or 1

    def _metadata(self, method: Method, given: Any) -> dict[str, Any] | None:
        if given is not None and not isinstance(given, dict):
            raise self._refused(method.name, "has metadata that is no mapping")
        thread = self._target.thread_id
        metadata: dict[str, Any] = {}
        for name, value in (given or {}).items():
            key = METADATA_KEYS.get(name)
            role = key.role if key is not None else "unknown"
            if role == "place" and value is not None and str(value) != thread:
                raise self._refused(method.name, "acts on its own conversation only", value)
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


def names_files(adapter: Any, text: object) -> bool:
    """Say whether the adapter would open files of the gateway's machine that a text names.

    A worker sends its files as bytes, and takes such names out of its texts itself.
    """
    platform = getattr(getattr(adapter, "platform", None), "value", None)
    if platform not in TEXT_OPENS_FILES or not isinstance(text, str):
        return False
    named, rest = adapter.extract_media(text)
    _, rest = adapter.extract_images(rest)
    return bool(named or adapter.extract_local_files(rest)[0])


def relayed_methods(adapter: Any) -> frozenset[str]:
    """Return the methods that a worker may call on ``adapter``: those that it really has.

    A method that the class merely inherits from Hermes's base class is not among them: the base
    class's own code runs in the worker, and ends in calls that are.
    """
    kind = type(adapter)
    names = _RELAYED_BY_CLASS.get(kind)
    if names is None:
        names = frozenset(
            name
            for name, method in ADAPTER_METHODS.items()
            if method.crosses and (method.kind == "both" or _own(kind, name))
        )
        _RELAYED_BY_CLASS[kind] = names
    return names


_RELAYED_BY_CLASS: dict[type, frozenset[str]] = {}


def _own(kind: type, name: str) -> bool:
    """Say whether the class has a version of its own, not the abstract adapter's."""
    for cls in kind.__mro__:
        if name in vars(cls):
            return cls.__name__ != "BasePlatformAdapter"
    return False


def method_parameters(adapter: Any) -> dict[str, list[str]]:
    """Return the relayed methods of ``adapter`` with the parameters that each really takes."""
    return {
        name: [
            parameter
            for parameter in ADAPTER_METHODS[name].params
            if _takes(getattr(adapter, name), parameter)
        ]
        for name in sorted(relayed_methods(adapter))
        if hasattr(adapter, name)
    }


def ask_capabilities(adapter: Any, source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the adapter's answers to what Hermes would probe on it, for one session.

    Telegram's parses the gateway's whole ``config.yaml`` for one of them.
    """
    with reading_yaml_quickly():
        return {
            name: _ask(adapter, capability, source)
            for name, capability in CAPABILITIES.items()
            if capability.ask != "constant"
        }


def _ask(adapter: Any, capability: Capability, source: Mapping[str, Any]) -> Any:
    try:
        return _answer(adapter, capability, source)
    except Exception as error:  # noqa: BLE001 - an adapter may raise anything
        logger.debug("asking %s for %s failed: %r", adapter, capability.name, error)
        return capability.default


def _answer(adapter: Any, capability: Capability, source: Mapping[str, Any]) -> Any:
    name, default = capability.name, capability.default
    config = getattr(adapter, "config", None)
    match capability.ask:
        case "config":
            return plain(getattr(config, name, default))
        case "extra":
            return plain((getattr(config, "extra", None) or {}).get(name, default))
        case "unit":
            return length_unit(getattr(adapter, name, len)) or "utf8"
        case "call":
            function = getattr(adapter, name, None)
            if function is None:
                return default
            return plain(function(*[source.get(argument) for argument in capability.args]))
        case _:
            return plain(getattr(adapter, name, default))


def _takes(function: Callable[..., Any], name: str) -> bool:
    names = _parameters(getattr(function, "__func__", function))
    return names is None or name in names


@functools.lru_cache(maxsize=1024)
def _parameters(function: Callable[..., Any]) -> frozenset[str] | None:
    """Return the names of a function's parameters; None when it takes any, or does not tell.

    Every worker is told them; to find them out takes as long as the rest of its start message.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None
    if any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters.values()):
        return None
    return frozenset(parameters)


def _required(function: Callable[..., Any]) -> set[str]:
    """Return the parameters that a call must name."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return set()
    kinds = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return {
        name
        for name, parameter in parameters.items()
        if parameter.kind in kinds and parameter.default is inspect.Parameter.empty
    }


def _uri(path: Path) -> str:
    return f"file://{urllib.parse.quote(str(path))}"


def _is_public(address: str) -> bool:
    """Say whether this is an ``http`` address that does not lead into the gateway's own network.

    A name may still lead there: what fetches it must look at what it resolves to, as Hermes does.
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
        # 127.1, 0x7f000001 and the like are addresses to what fetches it.
        number = host.replace(".", "").replace("x", "").isalnum() and host[-1].isdigit()
        return not number and host != "localhost" and not host.endswith((".localhost", ".internal"))
