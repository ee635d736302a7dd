"""Sending to any conversation: Hermes's send engine, with the gateway as its transport.

Everything in Hermes that sends on its own account - cron's deliveries, ``hermes send``, plugins,
the tool ``send_message`` where a version has one - ends in one function, which opens a connection
with the platform's credentials. A worker has none. Here that function asks the gateway, which says
whether the profile may send there and sends with its own adapter. What else these callers look at
before they send, the configured platforms and the home channels, is told by the gateway too.

Needs no conversation: :func:`install` is all that a worker of any kind has to call.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router_worker.hermes.sending import directory, tools
from hermes_router_worker.send import ledger
from hermes_router_worker.send.transport import Transport

logger = logging.getLogger(__name__)

#: Stands where Hermes wants a credential to call a platform connected; opens nothing.
NO_TOKEN = "held-by-the-gateway"  # noqa: S105 - a placeholder

#: What of Hermes's send engine is replaced.
_SEAMS = ("_send_to_platform", "_handle_send")

#: What reads a target, the better one first: from 0.20 on, all senders share the first.
_READERS = ("resolve_send_target", "_parse_target_ref")

#: What stands after a platform's name in a target for the conversation that the work comes from.
ORIGIN = "origin"

#: The same for the home channel that the profile has chosen; nobody calls a channel so.
_HOME = "the chosen home channel"

#: By platform, chat and thread that :func:`name_homes` has put into the environment itself.
_given: dict[str, tuple[str | None, str | None]] = {}


def install(transport: Transport, delivery_scope: msg.DeliveryScope) -> None:
    """Have everything in this process that sends do so through ``transport``.

    Hermes may have been imported or not; a later call replaces an earlier one's transport. What
    cannot be done is logged, and costs the worker this and nothing more.
    """
    _attempt("lead sending to the gateway", lead, transport, delivery_scope)
    _attempt("name the home channels", name_homes, delivery_scope)
    if delivery_scope.tool:
        _attempt("offer the tool send_message", tools.offer)
    _attempt("add to the channel directory", directory.add, delivery_scope.places)
    _attempt("judge owed replies by locks", ledger.install)
    _attempt("cross off what was sent", ledger.cross_off, delivery_scope.settled)


def lead(transport: Transport, delivery_scope: msg.DeliveryScope) -> None:
    """Lead what sends to ``transport``, with the targets and platforms that there are.

    Raises ``RuntimeError`` where this Hermes lacks what it takes: nothing is replaced then.
    """
    engine = importlib.import_module("tools.send_message_tool")
    absent = [name for name in _SEAMS if not hasattr(engine, name)]
    if not any(hasattr(engine, name) for name in _READERS):
        absent.append(_READERS[0])
    if absent:
        raise RuntimeError(f"this Hermes lacks tools.send_message_tool.{', '.join(absent)}")
    send_through(transport)
    know_targets(delivery_scope)
    connect_platforms(delivery_scope)


def send_through(transport: Transport) -> None:
    """Replace Hermes's send engine."""
    engine: Any = importlib.import_module("tools.send_message_tool")

    async def send_to_platform(
        platform: Any,
        pconfig: Any,
        chat_id: str,
        message: str,
        thread_id: str | None = None,
        media_files: Sequence[tuple[str, bool]] | None = None,
        force_document: bool = False,  # noqa: FBT001, FBT002 - Hermes's signature
        **_options: Any,
    ) -> dict[str, Any]:
        target = msg.Place(
            platform=str(getattr(platform, "value", platform)),
            chat_id=str(chat_id),
            thread_id=None if thread_id is None else str(thread_id),
        )
        files = [(str(path), bool(voice)) for path, voice in media_files or ()]
        return await transport.deliver(target, message, files=files, as_documents=force_document)

    engine._send_to_platform = send_to_platform
    tools.react_through(
        lambda place, emoji, number: transport.react(place, emoji=emoji, message_id=number)
    )


def know_targets(delivery_scope: msg.DeliveryScope) -> None:
    """Let a target without a place mean the conversation that the work comes from.

    That is the conversation of the turn, in its own thread; in work without one, the home channel.
    A platform's name alone means the home channel, if the profile has chosen one by ``/sethome``.
    Hermes itself takes the home channel's chat, and forgets its thread.
    """
    engine: Any = importlib.import_module("tools.send_message_tool")
    send = _original(engine, "_handle_send")
    reader = next(name for name in _READERS if hasattr(engine, name))
    read = _original(engine, reader)

    @functools.wraps(send)
    def handle_send(args: Mapping[str, Any], *more: Any, **options: Any) -> Any:
        return send(
            dict(args) | {"target": _explicit(args.get("target"), delivery_scope)}, *more, **options
        )

    # The third value says that a chat was named, or with the other reader why none was found.
    found = None if reader == "resolve_send_target" else True

    @functools.wraps(read)
    def read_target(platform_name: str, target_ref: str, **options: Any) -> Any:
        place = _marked(target_ref, platform_name, delivery_scope)
        if place is not None:
            return place.chat_id, place.thread_id, found
        chat, thread, state = read(platform_name, target_ref, **options)
        if chat and state == found and thread is None:
            thread = _thread_meant(delivery_scope, platform_name, chat)
        return chat, thread, state

    engine._handle_send = handle_send
    setattr(engine, reader, read_target)
    engine._explicit_target = functools.partial(_explicit, delivery_scope=delivery_scope)


def connect_platforms(delivery_scope: msg.DeliveryScope) -> None:
    """Let the gateway's platforms stand in the configuration that senders load, with no credential.

    A profile that has one of its own there keeps what it says, home channel included, if the
    profile may send there.
    """
    module: Any = importlib.import_module("gateway.config")
    load = _original(module, "load_gateway_config")

    @functools.wraps(load)
    def load_gateway_config(*args: Any, **kwargs: Any) -> Any:
        config = load(*args, **kwargs)
        for name in delivery_scope.platforms:
            platform = module.Platform(name)
            settings = config.platforms.get(platform)
            if settings is None:
                settings = config.platforms[platform] = module.PlatformConfig()
            settings.enabled, settings.token = True, NO_TOKEN
            set_home(settings, platform, delivery_scope)
        return config

    module.load_gateway_config = load_gateway_config


def set_home(settings: Any, platform: Any, delivery_scope: msg.DeliveryScope) -> None:
    """Enter the profile's home channel into a platform's settings, unless its own is allowed."""
    home, own = home_of(delivery_scope, platform.value), settings.home_channel
    if home is None or (own is not None and covers(delivery_scope, platform.value, own)):
        return
    cls = importlib.import_module("gateway.config").HomeChannel
    fields = {"platform": platform, "chat_id": home.chat_id, "name": home.name or home.chat_id}
    if "thread_id" in getattr(cls, "__dataclass_fields__", ()):
        fields["thread_id"] = home.thread_id
    settings.home_channel = cls(**fields)


def name_homes(delivery_scope: msg.DeliveryScope) -> None:
    """Put the home channels into the environment, where cron looks for them."""
    for name in delivery_scope.platforms:
        variable = home_variable(name)
        home = home_of(delivery_scope, name)
        chat, thread = os.environ.get(variable), os.environ.get(f"{variable}_THREAD_ID") or None
        own = msg.Place(platform=name, chat_id=chat, thread_id=thread) if chat else None
        if home is None or (own is not None and covers(delivery_scope, name, own)):
            continue
        _given[name] = (home.chat_id, home.thread_id)
        os.environ[variable] = home.chat_id
        os.environ.pop(f"{variable}_THREAD_ID", None)
        if home.thread_id is not None:
            os.environ[f"{variable}_THREAD_ID"] = home.thread_id


def home_variable(platform: str) -> str:
    """Return the name of the variable in which Hermes looks for a platform's home channel."""
    name = getattr(importlib.import_module("gateway.run"), "_home_target_env_var", None)
    return str(name(platform)) if name is not None else f"{platform.upper()}_HOME_CHANNEL"


def home_of(delivery_scope: msg.DeliveryScope, platform: str) -> msg.Place | None:
    """Return the profile's home channel on a platform."""
    return next((home for home in delivery_scope.homes if home.platform == platform), None)


def chosen_home(delivery_scope: msg.DeliveryScope, platform: str) -> msg.Place | None:
    """Return the home channel that the profile itself has chosen, if it may send there.

    It is looked up each time: ``/sethome`` may have changed it a moment ago.
    """
    variable = home_variable(platform)
    chat, thread = os.environ.get(variable), os.environ.get(f"{variable}_THREAD_ID") or None
    if not chat or _given.get(platform) == (chat, thread):
        return None
    place = msg.Place(platform=platform, chat_id=chat, thread_id=thread)
    return place if covers(delivery_scope, platform, place) else None


def default_place(delivery_scope: msg.DeliveryScope, platform: str) -> msg.Place | None:
    """Return where the work comes from, if that lies on the platform, and else the home channel."""
    origin = delivery_scope.origin
    if origin and origin.platform == platform:
        return origin
    return chosen_home(delivery_scope, platform) or home_of(delivery_scope, platform)


def covers(delivery_scope: msg.DeliveryScope, platform: str, own: Any) -> bool:
    """Say whether a conversation that the profile's own settings name is one that it may use."""
    wanted = (platform, str(own.chat_id), getattr(own, "thread_id", None) or None)
    return delivery_scope.anywhere or wanted in _known(delivery_scope)


def _marked(mark: str, platform: str, delivery_scope: msg.DeliveryScope) -> msg.Place | None:
    """Return the place that a mark after a platform's name stands for; None if it is none."""
    known = {ORIGIN: default_place, _HOME: chosen_home}
    find = known.get(mark.strip().lower())
    return find(delivery_scope, platform) if find is not None else None


def _explicit(target: Any, delivery_scope: msg.DeliveryScope) -> str:
    """Return the target with a place in it, where it has none and there is one to mean."""
    text = str(target or "").strip()
    if not text or text.lower() == ORIGIN:
        place = delivery_scope.origin or _first_home(delivery_scope)
        return f"{place.platform}:{ORIGIN}" if place else text
    if ":" not in text and chosen_home(delivery_scope, text.lower()) is not None:
        return f"{text}:{_HOME}"
    if ":" not in text and default_place(delivery_scope, text.lower()) is not None:
        return f"{text}:{ORIGIN}"
    return text


def _first_home(delivery_scope: msg.DeliveryScope) -> msg.Place | None:
    chosen = (chosen_home(delivery_scope, platform) for platform in delivery_scope.platforms)
    return next(filter(None, (*chosen, *delivery_scope.homes)), None)


def _thread_meant(delivery_scope: msg.DeliveryScope, platform: str, chat: str) -> str | None:
    """Return the thread that a chat without one stands for, as the gateway would fill it in."""
    if delivery_scope.anywhere or (platform, chat, None) in _known(delivery_scope):
        return None
    near = (delivery_scope.origin, home_of(delivery_scope, platform))
    meant = (p.thread_id for p in near if p and (p.platform, p.chat_id) == (platform, chat))
    return next(meant, None)


def _known(delivery_scope: msg.DeliveryScope) -> set[tuple[str, str, str | None]]:
    return {(place.platform, place.chat_id, place.thread_id) for place in delivery_scope.places}


def _attempt(what: str, step: Callable[..., Any], *args: Any) -> None:
    try:
        step(*args)
    except Exception:
        logger.exception("could not %s", what)


def _original(module: Any, name: str) -> Callable[..., Any]:
    """Return a function of Hermes as it was before it was wrapped here."""
    function: Callable[..., Any] = getattr(module, name)
    ours = function.__code__.co_filename == __file__
    return getattr(function, "__wrapped__", function) if ours else function
