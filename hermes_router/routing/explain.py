"""Explain to people which route wins for a place, and why the others do not."""

from __future__ import annotations

import heapq
from typing import Literal

import msgspec

from hermes_router.routing import whatsapp
from hermes_router.routing.table import (
    DISCRIMINATORS,
    GENERAL_THREAD,
    WORDS,
    Match,
    Place,
    Route,
    RouteTable,
)

Outcome = Literal["won", "outranked", "mismatch", "disabled"]


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A route that is near a place, and why a message of that place uses it or not.

    ``reason`` is in words for people.
    """

    route: Route
    outcome: Outcome
    reason: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """The winning route of a place, and the routes near it, best first.

    ``omitted`` is how many further routes are near but not listed.
    """

    place: Place
    match: Match | None
    candidates: tuple[Candidate, ...]
    omitted: int = 0


def explain(table: RouteTable, place: Place, *, limit: int = 20) -> Explanation:
    """Explain which route wins for *place*, and why; for ``test-route``.

    Candidates are the routes of its platform that match the place, that name nothing but the
    platform, or that share at least one discriminator with it. At most *limit* are returned, the
    nearest first. This reads every route.
    """
    match = table.match(place)
    near = [(_rank(route, place, match), route) for route in table.routes if _near(route, place)]
    best = heapq.nsmallest(limit, near, key=lambda item: item[0])
    candidates = tuple(_candidate(route, place, match) for _, route in best)
    return Explanation(
        place=place, match=match, candidates=candidates, omitted=len(near) - len(candidates)
    )


def _mismatches(route: Route, place: Place) -> list[str]:
    """Return in words what *route* requires and *place* does not have."""
    wrong: list[str] = []
    for field in DISCRIMINATORS:
        required = getattr(route, field)
        if required and not _holds(route, place, field):
            found = getattr(place, field)
            wrong.append(f"requires {WORDS[field]} {required}, the message has {found or 'none'}")
    if route.bot_profile != place.bot:
        wrong.append(f"requires {_bot(route.bot_profile)}, the message came to {_bot(place.bot)}")
    return wrong


def _bot(profile: str | None) -> str:
    return f"the bot of {profile}" if profile else "the gateway's bot"


def _holds(route: Route, place: Place, field: str) -> bool:
    required, found = getattr(route, field), getattr(place, field) or None
    if field == "thread_id" and route.is_general:
        return found in (None, GENERAL_THREAD)
    if field == "chat_id":
        known = (found, place.parent_chat_id, *place.aliases)
        form = whatsapp.same_for_all
        return form(route.platform, required) in {form(place.platform, i) for i in known if i}
    return bool(required == found)


def _near(route: Route, place: Place) -> bool:
    if route.platform != place.platform:
        return False
    named = [field for field in DISCRIMINATORS if getattr(route, field)]
    return not named or any(_holds(route, place, field) for field in named)


def _rank(route: Route, place: Place, match: Match | None) -> tuple[bool, int, int]:
    won = match is not None and route is match.route
    return (not won, len(_mismatches(route, place)), -route.specificity)


def _candidate(route: Route, place: Place, match: Match | None) -> Candidate:
    if not route.enabled:
        return Candidate(route=route, outcome="disabled", reason="enabled is false")
    if wrong := _mismatches(route, place):
        return Candidate(route=route, outcome="mismatch", reason="; ".join(wrong))
    if match is not None and route is not match.route:
        return Candidate(route=route, outcome="outranked", reason=_outranked(route, match))
    named = ", ".join(route.requires) or "the whole platform"
    parent = " (chat by its parent)" if match is not None and match.via_parent else ""
    return Candidate(route=route, outcome="won", reason=f"matches {named}{parent}")


def _outranked(route: Route, match: Match) -> str:
    winner = match.route
    if route.specificity == winner.specificity:
        return f"matches by the parent chat; {winner.label!r} names the chat itself"
    return (
        f"matches, less specific ({route.specificity}) than {winner.label!r} ({winner.specificity})"
    )
