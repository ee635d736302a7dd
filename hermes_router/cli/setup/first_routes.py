"""Ask a person which profile is to answer where, and write the routes."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.homes import GatewayHome
from hermes_router.cli.inspect.seen import SeenConversation
from hermes_router.cli.status import NEGATIVE, CommandError
from hermes_router.cli.terminal import choose
from hermes_router.cli.terminal.output import one_line
from hermes_router.config import model as configuration
from hermes_router.config import route_edit
from hermes_router.config.model import RouterConfig
from hermes_router.config.route_edit import CannotEdit
from hermes_router.profiles import model
from hermes_router.profiles.model import PROFILE_NAME
from hermes_router.relay.delivery_policy import spelled
from hermes_router.routing.table import GENERAL, GENERAL_THREAD, Place, Route

Mapping = dict[Place, str]
"""A place and the profile that is to answer there; ``NOBODY`` removes the place's route."""

NOBODY = "-"
_DONE, _NEW = "done", "+"  # no profile can have such a name


def answers(config: RouterConfig, place: Place) -> str:
    """Return the profile that answers in a conversation by a route that names no sender.

    The answer is ``-`` if no such route matches the place: it is shown in a list.
    """
    if place.thread_id == GENERAL:
        place = Place(place.platform, place.chat_id, GENERAL_THREAD)
    match = config.table.match(place)
    return match.profile if match is not None else NOBODY


def route_at(config: RouterConfig, place: Place) -> Route | None:
    """Return the route that names this platform, chat and thread but no sender, or None."""
    ids = (place.platform, place.chat_id, place.thread_id)
    for route in config.table.routes:
        if (route.platform, route.chat_id, route.thread_id) == ids and route.user_id is None:
            return route
    return None


def ask(
    home: GatewayHome, conversations: Sequence[SeenConversation], create: Sequence[str] = ()
) -> tuple[Mapping, list[str]]:
    """Let a person choose which profile answers in which conversation; write nothing.

    Returns the choices that differ from the routes, and the names of profiles to create: those in
    ``create``, which are offered from the beginning, and those that the person wants.

    Raises:
        CommandError: Hermes has seen no conversation yet.
        CannotAsk: this Python cannot ask questions.
    """
    if not conversations:
        hint = "write a message to the bot in that conversation, then run this again"
        raise CommandError("Hermes has seen no conversation yet", hint=hint, status=NEGATIVE)
    config = loading.load(str(home.path), offline=True).usable_config()
    mapping: Mapping = {}
    new = list(create)
    while True:
        labels = [(seen.place, _label(seen, config, mapping)) for seen in conversations]
        end = f"Done: {len(mapping)} to change" if mapping else "Done: no changes"
        chosen = choose.one_of("Which conversation?", [*labels, (_DONE, end)])
        if not isinstance(chosen, Place):
            return mapping, new
        profile = _ask_profile(home, new, mapping.get(chosen, answers(config, chosen)))
        mapping.pop(chosen, None)
        if profile != answers(config, chosen):
            mapping[chosen] = profile


def _label(seen: SeenConversation, config: RouterConfig, mapping: Mapping) -> str:
    now = mapping.get(seen.place, answers(config, seen.place))
    name = one_line(seen.name) or seen.kind
    return f"{spelled(seen.place)}  {name}  -> {'default' if now == NOBODY else now}"


def _ask_profile(home: GatewayHome, new: list[str], now: str) -> str:
    names = list(dict.fromkeys([*model.names(home.root), *new]))
    options = [*((name, name) for name in names), (_NEW, "a new profile"), (NOBODY, "no route")]
    default = now if now in names else NOBODY
    chosen = choose.one_of("Which profile answers there?", options, default)
    if chosen != _NEW:
        return chosen
    while True:
        name = choose.text("Its name (lower case, digits, - and _):")
        if PROFILE_NAME.match(name) and name != NOBODY:
            if name not in names:
                new.append(name)
            return name


def reverse(home: GatewayHome, text: str, mapping: Mapping) -> Mapping:
    """Return which profile answers now in each place of ``mapping``, by a route for that place.

    ``mapping`` is a change to the configuration ``text``: a profile for each place, or ``-`` to
    remove its route. To write the result undoes that change.
    """
    config = loader(home)(text)
    routes = {place: route_at(config, place) for place in mapping}
    return {place: route.profile if route else NOBODY for place, route in routes.items()}


def written(
    home: GatewayHome, text: str, mapping: Mapping, conversations: Sequence[SeenConversation]
) -> str:
    """Return the configuration's text with the mapping's routes, each with its place's name.

    ``mapping`` has a profile for each place, or ``-`` to remove its route. ``conversations`` have
    the names.

    Raises:
        CommandError: the routes are written in a form that no small edit can change.
    """
    names = {seen.place: one_line(seen.name) for seen in conversations}
    load = loader(home)
    for place, profile in mapping.items():
        try:
            text = _with(text, place, profile, load, names.get(place, ""))
        except CannotEdit as error:
            wanted = None if profile == NOBODY else profile
            raise by_hand(home, place, wanted, error) from error
    return text


def by_hand(
    home: GatewayHome, place: Place, profile: str | None, error: CannotEdit
) -> CommandError:
    """Return the error for an edit that was refused, with the lines to write by hand.

    ``profile`` is the profile that is to answer there; None if the route is to be removed.
    """
    hint = "edit it by hand"
    if profile is not None:
        lines = route_edit.snippet(place, profile).rstrip()
        hint = f"write this by hand, joined with what is there:\n{lines}"
    message = f"cannot be edited safely: {error}"
    return CommandError(message, where=str(home.config), hint=hint)


def loader(home: GatewayHome) -> route_edit.Load:
    """Return a function that reads a text as if this home's configuration held it.

    The function raises ``ConfigError``.
    """
    load = functools.partial(configuration.load, gateway_profile=home.profile)
    return route_edit.read_with(load, home.config)


def _with(text: str, place: Place, profile: str, load: route_edit.Load, name: str) -> str:
    route = route_at(load(text), place)
    if route is not None and route.profile == profile:
        return text
    if route is not None:
        text = route_edit.without_route(text, route, load)
    if profile == NOBODY:
        return text
    return route_edit.with_route(text, place, profile, load, name)
