"""Decide and refuse without the router: who would answer a message, and a notice to its place.

The guard and the swap use this, also in a gateway whose router could not start. It needs the routes
and little of Hermes.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from hermes_router.config.model import Decision
from hermes_router.hermes import owed_notices
from hermes_router.hermes.compat.events import made_by_hermes, place_of, place_to_route
from hermes_router.hermes.compat.seams import command_rules, gateway_runner, sending
from hermes_router.hermes.routes import watcher_of
from hermes_router.observe import records
from hermes_router.observe.book import TurnBook
from hermes_router.observe.records import Records
from hermes_router.profiles.commands import of_running
from hermes_router.workers.code import own_code

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nobody answers a message: a notice for its place, outcome and error for the record."""

    notice: str
    outcome: str
    error: str


def no_configuration() -> Refusal:
    """Return the refusal of a message while the configuration cannot be read."""
    code = own_code.in_use()
    in_hermes = code is not None and code.launcher is not None
    commands = of_running(gateway_runner.hermes_home(), in_hermes=in_hermes)
    notice = (
        "⚠️ The routes of this bot cannot be read, so nobody answers here. "
        f"`{commands.router('routes')}` says what to correct; no restart is needed."
    )
    return Refusal(notice, "refused", "the routes cannot be read, so no profile is known")


def closed_refusal(why: str) -> Refusal:
    """Return the refusal of a message while routing is closed; ``why`` is for people."""
    notice = f"⚠️ Nobody answers here: hermes-router does not work in this gateway ({why})."
    return Refusal(notice, "router_failed", f"the router does not work in this gateway: {why}")


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

    Hermes may handle a message of a person whom it does not allow to write, and of a place that is
    not routed. Nobody writes Hermes's own events, so who may write is not asked for them. This
    works even if the router could not start.

    Raises:
        ConfigError: the routes could never be read.
    """
    source = getattr(event, "source", None)
    if source is None:
        return None
    if not (getattr(event, "internal", False) or command_rules.authorized(runner, source)):
        return None
    decision = watcher_of(gateway_runner.hermes_home()).current().decide(place_to_route(source))
    return None if decision.action == "in_process" else decision


async def refuse(
    runner: Any, event: Any, refusal: Refusal, *, profile: str = "", book: TurnBook | None = None
) -> None:
    """Record that nobody will answer a message, and send a notice with the record's id.

    If its platform is away, the notice is sent when it is back, as long as this gateway runs.
    ``profile`` is the name of the profile that the place is routed to, "" if that is not known.
    ``book`` is the router's, None if there is no router. If Hermes's own functions for sending
    fail, the adapter is called directly. An event that Hermes made itself is dropped silently:
    nobody waits for an answer to it.

    Raises:
        Exception: the adapter's own call failed too.
    """
    if made_by_hermes(event):
        logger.warning("hermes-router: an event of Hermes's own is dropped: %s", refusal.error)
        return
    turn_id = _recorded(event, refusal, profile, book)
    text = f"{refusal.notice} [{turn_id}]" if turn_id else refusal.notice
    try:
        await owed_notices.tell(runner, event, text)
    except Exception:
        logger.exception("hermes-router: a notice could not be sent to a place: %s", text)
        adapter = sending.adapter_for(runner, event.source)
        metadata = sending.place_metadata(place_of(event.source))
        await adapter.send(event.source.chat_id, text, metadata=metadata or None)


def _recorded(event: Any, refusal: Refusal, profile: str, book: TurnBook | None) -> str:
    """Record the refusal and return the record's id, or "" if that fails."""
    try:
        place = place_of(event.source)
        return (book or _own_book()).untouched(profile, place, refusal.outcome, refusal.error)
    except Exception:  # this Hermes may be one that we do not know; the notice matters more
        logger.exception("hermes-router: a refused message could not be recorded")
        return ""


def _own_book() -> TurnBook:
    """Return a book that writes the same records as a router's, and knows of no routes."""
    home = gateway_runner.hermes_home()
    return TurnBook(Records(records.folder_of(home)), lambda _place: "")
