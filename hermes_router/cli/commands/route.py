"""``hermes-router route``: add a route, remove one, or undo the last such edit."""

from __future__ import annotations

import argparse
import shlex

from hermes_router.cli import parser as commands
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.homes import GatewayHome, gateway_home
from hermes_router.cli.inspect.profile.profile_facts import guess
from hermes_router.cli.place import ids
from hermes_router.cli.setup import last_edit
from hermes_router.cli.setup.first_routes import by_hand, loader, route_at
from hermes_router.cli.setup.last_edit import read_text, replace_text
from hermes_router.cli.setup.one_editor import one_editor
from hermes_router.cli.status import OK, WRONG, CommandError
from hermes_router.cli.terminal.output import say, say_file, tip
from hermes_router.config import route_edit
from hermes_router.config.diagnostics import NAME_RULE
from hermes_router.config.route_edit import CannotEdit
from hermes_router.profiles.model import PROFILE_NAME
from hermes_router.relay.delivery_policy import spelled
from hermes_router.routing.table import Place

_EPILOG = """\
PLACE is platform:chat or platform:chat:thread; `/router` in the chat shows it. The command changes
no other byte of config.yaml, and keeps a copy of the old file beside it. `undo` restores that file
unless config.yaml was edited since. A running gateway uses the new routes from the next message on.

examples:
  hermes-router route add telegram:-1003961179976:6 career
  hermes-router route remove telegram:-1003961179976:6
  hermes-router route undo

exit status: 0 done, 1 it cannot be done, 2 an error in the configuration or the command line
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EPILOG
    parser.add_argument("action", choices=("add", "remove", "undo"), help="what to do")
    parser.add_argument("place", nargs="?", metavar="PLACE", help="the conversation")
    parser.add_argument(
        "profile", nargs="?", metavar="PROFILE", help="the profile that answers there"
    )
    parser.add_argument("--dry-run", action="store_true", help="print the new file, write nothing")
    commands.add_home_option(parser)


def run(options: argparse.Namespace) -> int:
    """Edit the file; return the exit status."""
    home = gateway_home(options.home)
    if options.action == "undo":
        with one_editor(home.path):
            return _undo(home, options)
    if options.place is None or (options.action == "add") != (options.profile is not None):
        words = "add PLACE PROFILE" if options.action == "add" else "remove PLACE"
        raise CommandError(f"write: {home.router(f'route {words}')}", status=WRONG)
    if options.profile is not None:  # as a configuration spells it
        options.profile = options.profile.strip().lower()
    with one_editor(home.path):
        return _edit(options, home, place_of(options.place))


def _edit(options: argparse.Namespace, home: GatewayHome, place: Place) -> int:
    text = read_text(home.config)
    try:
        new = _edited(options, home, place, text, loader(home))
    except CannotEdit as error:
        raise by_hand(home, place, options.profile, error) from error
    if options.dry_run:
        say_file(new)
        return OK
    replace_text(home, text, new)
    done = f"routed to {options.profile}" if options.profile else "no longer routed"
    say(f"{spelled(place)} is {done}; a running gateway uses this from the next message on")
    tip(f"to undo this: {home.router('route undo')}")
    return OK


def _edited(
    options: argparse.Namespace,
    home: GatewayHome,
    place: Place,
    text: str,
    load: route_edit.Load,
) -> str:
    config = load(text)
    route = route_at(config, place)
    if options.action == "remove":
        if route is None:
            raise CommandError(
                f"there is no route for {spelled(place)}", hint=home.router("routes")
            )
        return route_edit.without_route(text, route, load)
    want_profile(home, options.profile)
    if route is not None:
        message = f"{spelled(place)} is already routed to {route.profile!r}"
        if not route.enabled:
            message = f"{spelled(place)} has a route to {route.profile!r} that is not enabled"
        hint = f"first: {home.router(f'route remove {shlex.quote(spelled(place))}')}; then add it"
        raise CommandError(message, hint=hint)
    return route_edit.with_route(text, place, options.profile, load)


def want_profile(home: GatewayHome, name: str, create: str = "") -> None:
    """Refuse a profile that does not exist, with the command that makes it, if one can.

    ``create`` is that command, by default one of Hermes.

    Raises:
        CommandError: there is no such profile.
    """
    if loading.exists(name, home.root):
        return
    close = guess(name, home.root)
    if PROFILE_NAME.match(name):
        hint = f"{close}{create or home.hermes(f'profile create {name} --clone', 'default')}"
    else:
        hint = f"{close.removesuffix('Or create it: ')}a name has {NAME_RULE}"
    raise CommandError(f"there is no profile {name!r}", hint=hint)


def place_of(text: str) -> Place:
    """Return the conversation that a person names.

    Raises:
        CommandError: the text names no place.
    """
    try:
        platform, chat, thread = ids(text)
    except ValueError as error:
        hint = "/router in the chat shows its place"
        raise CommandError(f"{text!r} {error}", hint=hint, status=WRONG) from None
    return Place(platform=platform, chat_id=chat, thread_id=thread)


def _undo(home: GatewayHome, options: argparse.Namespace) -> int:
    if options.place is not None:
        raise CommandError(f"write: {home.router('route undo')}", status=WRONG)
    now, before = last_edit.to_undo(home)
    if options.dry_run:
        say_file(before)
        return OK
    replace_text(home, now, before)
    say(f"{home.config} is restored")
    tip(f"to repeat the edit: {home.router('route undo')}")
    return OK
