"""Send to any conversation: Hermes's send engine, with the gateway as its transport.

Some code in Hermes sends without an adapter: cron's deliveries, ``hermes send``, plugins, and the
tool ``send_message`` if this version has it. All of it ends in one function, which opens a
connection with the platform's credentials. A worker has no credentials. Here that function asks the
gateway, which decides whether the profile may send there, and sends with its own adapter. The
gateway also tells what this code reads before it sends: the configured platforms and the home
channels.

This needs no conversation: a worker of any kind calls only :func:`install`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router_worker.hermes.sending import directory, engine, tools
from hermes_router_worker.home.lock import home_lock
from hermes_router_worker.send import ledger
from hermes_router_worker.send.transport import Transport

logger = logging.getLogger(__name__)

#: In a target, after a platform's name: the conversation that the work comes from.
ORIGIN = "origin"

#: The same for the home channel that the profile has chosen. No real channel has this name.
_HOME = "the chosen home channel"

#: By platform: the chat and thread that :func:`name_homes` itself has put into the environment.
_given: dict[str, tuple[str | None, str | None]] = {}


def install(transport: Transport, delivery_scope: msg.DeliveryScope) -> None:
    """Have all code in this process that sends without an adapter send through ``transport``.

    Each worker calls it when its session or job begins. Hermes may have been imported or not; a
    later call replaces the transport of an earlier one. If this Hermes lacks a function, that is
    logged, and only sending is missing in this worker.
    """
    _attempt("send through the gateway", send_through, transport, delivery_scope)
    _attempt("name the home channels", name_homes, delivery_scope)
    if delivery_scope.tool:
        _attempt("offer the tool send_message", tools.offer)
    _attempt("add to the channel directory", _add_to_directory, delivery_scope.places)
    _attempt("check the senders of pending replies by locks", ledger.install)
    _attempt("mark pending replies as sent", ledger.cross_off, delivery_scope.settled)


def _add_to_directory(places: list[msg.Place]) -> None:
    with home_lock(Path(os.environ["HERMES_HOME"]), "directory"):
        directory.add(places)


def send_through(transport: Transport, delivery_scope: msg.DeliveryScope) -> None:
    """Have Hermes's functions for sending use ``transport``, with the profile's targets.

    A worker does this as a part of :func:`install`; a ``hermes`` command below it calls only this.
    If a target names no place, ``delivery_scope`` says which place is meant.

    Raises:
        RuntimeError: this Hermes lacks a function; nothing is replaced then.
    """
    absent = engine.lacking()
    if absent:
        raise RuntimeError(f"this Hermes lacks {', '.join(absent)}")
    engine.send_by(
        lambda target, text, files, as_documents: transport.deliver(
            target, text, files=files, as_documents=as_documents
        )
    )
    targets = _Targets(delivery_scope)
    engine.know_targets(targets)
    tools.serve(
        lambda place, emoji, number: transport.react(place, emoji=emoji, message_id=number),
        targets.explicit,
    )
    engine.connect_platforms(
        delivery_scope.platforms,
        lambda settings, platform: set_home(settings, platform, delivery_scope),
    )


class _Targets:
    """Lets a target without a place mean the conversation that the work comes from.

    That is the conversation of the turn, in its own thread. For work without a conversation, it is
    the home channel. A platform's name alone means the home channel, if the profile has chosen one
    by ``/sethome``. Hermes itself uses the home channel's chat, and forgets its thread.
    """

    def __init__(self, delivery_scope: msg.DeliveryScope) -> None:
        self._scope = delivery_scope

    def explicit(self, target: Any) -> str:
        """Return the target with a place in it, if it has none and a place is known."""
        return _explicit(target, self._scope)

    def marked(self, mark: str, platform: str) -> msg.Place | None:
        """Return the place that a mark after a platform's name stands for; None if it is none."""
        return _marked(mark, platform, self._scope)

    def thread_meant(self, platform: str, chat: str) -> str | None:
        """Return the thread for a chat that was named without one, as the gateway would."""
        return _thread_meant(self._scope, platform, chat)


def set_home(settings: Any, platform: Any, delivery_scope: msg.DeliveryScope) -> None:
    """Put the home channel that the gateway knows for the profile into a platform's settings.

    Hermes's code reads it there before it sends. A home channel that the settings have already
    stays if the profile may send to it.
    """
    home, own = home_of(delivery_scope, platform.value), settings.home_channel
    if home is None or (own is not None and covers(delivery_scope, platform.value, own)):
        return
    settings.home_channel = engine.home_channel(platform, home)


def name_homes(delivery_scope: msg.DeliveryScope) -> None:
    """Put the profile's home channels into the environment variables in which cron looks for them.

    A home channel that a variable names already stays if the profile may send to it.
    """
    for name in delivery_scope.platforms:
        variable = engine.home_variable(name)
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


def home_of(delivery_scope: msg.DeliveryScope, platform: str) -> msg.Place | None:
    """Return the home channel that the gateway knows for the profile on a platform, or None.

    The profile itself may have chosen another one, see :func:`chosen_home`.
    """
    return next((home for home in delivery_scope.homes if home.platform == platform), None)


def chosen_home(delivery_scope: msg.DeliveryScope, platform: str) -> msg.Place | None:
    """Return the home channel that the profile itself has chosen by ``/sethome``, or None.

    It is None if the profile may not send there. It is looked up each time: ``/sethome`` may have
    changed it a moment ago.
    """
    variable = engine.home_variable(platform)
    chat, thread = os.environ.get(variable), os.environ.get(f"{variable}_THREAD_ID") or None
    if not chat or _given.get(platform) == (chat, thread):
        return None
    place = msg.Place(platform=platform, chat_id=chat, thread_id=thread)
    return place if covers(delivery_scope, platform, place) else None


def default_place(delivery_scope: msg.DeliveryScope, platform: str) -> msg.Place | None:
    """Return the place that a platform's name alone means as a target, or None.

    It is the conversation that the work comes from, if that is on the platform. Otherwise it is the
    home channel that the profile has chosen, or else the one that the gateway knows.
    """
    origin = delivery_scope.origin
    if origin and origin.platform == platform:
        return origin
    return chosen_home(delivery_scope, platform) or home_of(delivery_scope, platform)


def covers(delivery_scope: msg.DeliveryScope, platform: str, own: Any) -> bool:
    """Return True if the profile may send to ``own``, a conversation that its own settings name.

    ``own`` has ``chat_id`` and perhaps ``thread_id``. The answer may be False for a place that the
    gateway would allow, because the scope lists only some places.
    """
    wanted = (platform, str(own.chat_id), getattr(own, "thread_id", None) or None)
    return delivery_scope.anywhere or wanted in _known(delivery_scope)


def _marked(mark: str, platform: str, delivery_scope: msg.DeliveryScope) -> msg.Place | None:
    """Return the place that a mark after a platform's name stands for; None if it is none."""
    known = {ORIGIN: default_place, _HOME: chosen_home}
    find = known.get(mark.strip().lower())
    return find(delivery_scope, platform) if find is not None else None


def _explicit(target: Any, delivery_scope: msg.DeliveryScope) -> str:
    """Return the target with a place in it, if it has none and a place is known."""
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
    """Return the thread for a chat that was named without one, as the gateway would choose it."""
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
