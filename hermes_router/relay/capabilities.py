"""Find out what an adapter can do: which methods a worker may call, and its capabilities.

This module imports no adapter of Hermes. It knows adapters by the names of their attributes only.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from hermes_router.protocol.serialize import plain
from hermes_router.protocol.surface import (
    ADAPTER_METHODS,
    CAPABILITIES,
    TEXT_OPENS_FILES,
    Capability,
    length_unit,
)
from hermes_router.protocol.system.quick_yaml import reading_yaml_quickly

logger = logging.getLogger(__name__)


def names_files(adapter: Any, text: object) -> bool:
    """Return True if the adapter would open a file of the gateway's machine that a text names.

    The relay refuses such a text of a worker: it could name any file. A worker sends its files as
    bytes, and removes such names from its texts itself.
    """
    platform = getattr(getattr(adapter, "platform", None), "value", None)
    if platform not in TEXT_OPENS_FILES or not isinstance(text, str):
        return False
    named, rest = adapter.extract_media(text)
    _, rest = adapter.extract_images(rest)
    return bool(named or adapter.extract_local_files(rest)[0])


def relayed_methods(adapter: Any) -> frozenset[str]:
    """Return the names of the methods that a worker may call on ``adapter``.

    A method that the class only inherits from Hermes's base class is left out. That code runs in
    the worker, where it calls the methods that are relayed.
    """
    kind = type(adapter)
    names = _RELAYED_BY_CLASS.get(kind)
    if names is None:
        names = frozenset(
            name
            for name, method in ADAPTER_METHODS.items()
            if method.crosses and (method.kind == "both" or _has(kind, name))
        )
        _RELAYED_BY_CLASS[kind] = names
    return names


_RELAYED_BY_CLASS: dict[type, frozenset[str]] = {}

#: For a method of the base class that only writes the text: the method that adapters override.
_DRAWN_BY = {"send_exec_approval": "_send_exec_approval_prompt"}


def _has(kind: type, name: str) -> bool:
    drawn_by = _DRAWN_BY.get(name)
    return _own(kind, name) or (drawn_by is not None and _own(kind, drawn_by))


def _own(kind: type, name: str) -> bool:
    """Return True if the class overrides the method of Hermes's abstract adapter."""
    for cls in kind.__mro__:
        if name in vars(cls):
            return cls.__name__ != "BasePlatformAdapter"
    return False


def method_parameters(adapter: Any) -> dict[str, list[str]]:
    """Return, for each relayed method of ``adapter``, the parameters that it accepts.

    A worker is told this at its start.
    """
    return {
        name: [
            parameter
            for parameter in ADAPTER_METHODS[name].params
            if takes(getattr(adapter, name), parameter)
        ]
        for name in sorted(relayed_methods(adapter))
        if hasattr(adapter, name)
    }


def ask_capabilities(adapter: Any, source: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the adapter what it can do in one session; return the answers by the capability's name.

    A worker is told them at its start. ``source`` are the plain fields of the session's source. If
    the adapter raises, the answer is the default of that capability. YAML is read by a fast parser
    meanwhile, because Telegram's adapter parses the gateway's whole ``config.yaml`` for one of
    them.
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
            return length_unit(_length_function(adapter, name, source)) or "utf8"
        case "call":
            function = getattr(adapter, name, None)
            if function is None:
                return default
            fields: dict[str, Any] = {"source": SimpleNamespace(**source), **source}
            return plain(function(*[fields.get(argument) for argument in capability.args]))
        case _:
            return plain(getattr(adapter, name, default))


def _length_function(adapter: Any, name: str, source: Mapping[str, Any]) -> Callable[[str], int]:
    """Return the function that counts a text's length in this chat.

    It depends on the chat, because one adapter may connect several platforms.
    """
    for_chat = getattr(adapter, f"{name}_for_chat", None)
    if for_chat is None:
        return getattr(adapter, name, len)
    function: Callable[[str], int] = for_chat(source.get("chat_id"))
    return function


def takes(function: Callable[..., Any], name: str) -> bool:
    """Return True if a function accepts a parameter with this name, or parameters with any name.

    The answer is also True if the parameters of the function cannot be found out.
    """
    names = _parameters(getattr(function, "__func__", function))
    return names is None or name in names


@functools.lru_cache(maxsize=1024)
def _parameters(function: Callable[..., Any]) -> frozenset[str] | None:
    """Return the names of a function's parameters; None if it accepts any name, or if unknown.

    This is cached: each worker's start message needs it, and it takes half of the message's time.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None
    if any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters.values()):
        return None
    return frozenset(parameters)


def required(function: Callable[..., Any]) -> frozenset[str]:
    """Return the names of the parameters without a default value; for a method, with ``self``.

    The set is empty if the parameters of the function cannot be found out.
    """
    return _required(getattr(function, "__func__", function))


@functools.lru_cache(maxsize=1024)
def _required(function: Callable[..., Any]) -> frozenset[str]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return frozenset()
    kinds = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return frozenset(
        name
        for name, parameter in parameters.items()
        if parameter.kind in kinds and parameter.default is inspect.Parameter.empty
    )
