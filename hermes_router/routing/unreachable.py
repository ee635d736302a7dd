"""Routes that no message can reach, for their ids or for their platform.

Its messages would silently be another profile's, so that it is an error. Only platforms whose ids
have one certain form are judged: Telegram's and Discord's are whole numbers. Telegram knows no
guilds. Hermes's API server makes its agents itself, past the place where messages are routed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hermes_router.errors import Problem
from hermes_router.routing.table import DISCRIMINATORS, GENERAL, Route

_WITHOUT_GUILDS = frozenset({"telegram"})
_HINTS = {
    "telegram": "a user's chat is a positive number, a group's a negative one; never @name",
    "discord": "Copy ID in Discord's developer mode gives it; never a name",
}
_PAST_THE_ROUTES = {
    "api_server": "enable the API server in a gateway of the profile: hermes -p PROFILE gateway run"
}


def unreachable(routes: Iterable[Route]) -> Iterator[Problem]:
    """Yield a problem for each enabled route whose platform or id no message can carry."""
    for route in routes:
        if route.platform in _PAST_THE_ROUTES and route.enabled:
            what = f"{route.platform} answers as the gateway's own profile, whatever the routes say"
            yield _problem(route, "platform", what, _PAST_THE_ROUTES[route.platform])
        if route.platform in _HINTS and route.enabled:
            for field in DISCRIMINATORS:
                text = getattr(route, field)
                if field == "guild_id" and text and route.platform in _WITHOUT_GUILDS:
                    yield _problem(route, field, f"{route.platform} has no guilds", "remove it")
                elif text and not _is_number(text) and not (text == GENERAL and route.is_general):
                    what = f"{text!r} is no id of {route.platform}, whose ids are numbers"
                    yield _problem(route, field, what, _HINTS[route.platform])


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit()


def _problem(route: Route, field: str, what: str, hint: str) -> Problem:
    return Problem(
        file=route.file,
        line=route.line,
        column=route.column,
        path=route.path,
        message=f"the {field} of route {route.label!r}: {what}, so that nothing can reach it",
        hint=hint,
        code="unreachable",
    )
