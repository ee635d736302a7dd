"""Decide and refuse without the router: who would answer a message, and a notice to its place.

The guard and the swap share this. It needs the routes and little of Hermes.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from hermes_router.config.model import Decision
from hermes_router.hermes.compat.events import place_of, place_to_route
from hermes_router.hermes.compat.seams import command_rules, gateway_runner, sending
from hermes_router.hermes.routes import watcher_of

logger = logging.getLogger(__name__)

NO_CONFIGURATION = (
    "⚠️ The routes of this bot cannot be read, so nobody answers here. "
    "`hermes-router routes` says what to correct; no restart is needed."
)
CLOSED = "⚠️ Nobody answers here: hermes-router does not work in this gateway ({why})."

_passed: ContextVar[bool] = ContextVar("hermes_router_passed", default=False)


@contextlib.contextmanager
def passed() -> Iterator[None]:
    """Have :func:`has_passed` return True in the block, which hands a message on to Hermes.

    The router has seen that message, so the guard need not stop it.
    """
    token = _passed.set(True)
    try:
        yield
    finally:
        _passed.reset(token)


def has_passed() -> bool:
    """Return True if the router has handed on to Hermes the message that is being handled.

    The guard asks this, and lets such a message pass.
    """
    return _passed.get()


def decide(event: Any, runner: Any) -> Decision | None:
    """Return what the routes say about a message, or None if Hermes may handle it.

    Hermes may handle its own events, messages of people whom it does not allow, and messages of
    places that are not routed. This works even if the router could not start.

    Raises:
        ConfigError: the routes could never be read.
    """
    source = getattr(event, "source", None)
    if source is None or getattr(event, "internal", False):
        return None
    if not command_rules.authorized(runner, source):
        return None
    decision = watcher_of(gateway_runner.hermes_home()).current().decide(place_to_route(source))
    return None if decision.action == "in_process" else decision


async def refuse(runner: Any, event: Any, text: str) -> None:
    """Send a notice to the place of a message that nobody will answer; ``text`` says why.

    If Hermes's own functions for sending fail, the adapter is called directly.

    Raises:
        Exception: the adapter's own call failed too.
    """
    try:
        await sending.send_text(runner, event, text)
    except Exception:
        logger.exception("hermes-router: a notice could not be sent to a place: %s", text)
        adapter = sending.adapter_for(runner, event.source)
        metadata = sending.place_metadata(place_of(event.source))
        await adapter.send(event.source.chat_id, text, metadata=metadata or None)
