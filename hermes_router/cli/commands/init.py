"""``hermes-router init``: from a Hermes that answers to the first routed conversation."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hermes_router.cli import parser as commands
from hermes_router.cli.commands import doctor, enable
from hermes_router.cli.commands.route import place_of, want_profile
from hermes_router.cli.inspect import loading, seen
from hermes_router.cli.inspect.homes import (
    GatewayHome,
    gateway_home,
    hermes_installed,
    wrong_interpreter,
)
from hermes_router.cli.inspect.loading import Loaded
from hermes_router.cli.inspect.seen import SeenConversation
from hermes_router.cli.setup import cloned_plugin, first_routes, last_edit, plugin_names
from hermes_router.cli.setup.first_routes import NOBODY, Mapping
from hermes_router.cli.setup.last_edit import read_text, replace_text
from hermes_router.cli.setup.one_editor import one_editor
from hermes_router.cli.setup.parking import park, unpark
from hermes_router.cli.setup.plugin_edit import without_plugin
from hermes_router.cli.status import NEGATIVE, OK, WRONG, CommandError
from hermes_router.cli.terminal import choose
from hermes_router.cli.terminal.choose import CannotAsk
from hermes_router.cli.terminal.output import (
    counted,
    say,
    say_file,
    say_json,
    say_prose,
    say_table,
    tip,
)
from hermes_router.config.diagnostics import NAME_RULE
from hermes_router.config.model import RouterConfig
from hermes_router.profiles.model import PROFILE_NAME
from hermes_router.protocol.files.whole_file import replace_file
from hermes_router.relay.delivery_policy import spelled
from hermes_router.routing.table import Place

_EPILOG = """\
It lists the conversations that Hermes has seen and asks which profile answers each. Then it writes
the routes (every other byte of config.yaml stays), enables the plugin, parks the routed profiles,
and runs `doctor`. It asks on a terminal only; elsewhere, or with --map, the options decide. You
can run it again. If a conversation is not listed, write a message there first.

examples:
  hermes-router init
  hermes-router init --list
  hermes-router init --create career --map telegram:-1003961179976:6=career
  hermes-router init --undo

exit status: 0 done, 1 nothing was changed, or doctor found an error, 2 an error in the
configuration or the command line
"""

_RECORD = "init.json"
_CREATE_SECONDS = 300


class _Done(msgspec.Struct, frozen=True, kw_only=True):
    """What the last ``init`` changed: the file before and after, and the new profiles.

    ``routes`` says which profile's own route answered each place before; ``NOBODY`` if none did.
    """

    before: str
    after: str
    routes: list[tuple[Place, str]]
    switched_on: bool
    created: list[str] = []


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EPILOG
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="list the conversations, change nothing")
    what.add_argument("--undo", action="store_true", help="undo the last init")
    what.add_argument("--dry-run", action="store_true", help="print the new file, write nothing")
    parser.add_argument(
        *("--map", "-m"),
        action="append",
        default=[],
        metavar="PLACE=PROFILE",
        help="this profile answers in this place; can be repeated",
    )
    parser.add_argument(
        "--create",
        action="append",
        default=[],
        metavar="NAME",
        help="create this profile, with the model and key of the gateway's profile; can be "
        "repeated",
    )
    commands.add_json_option(parser)
    commands.add_home_option(parser)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; return the exit status."""
    _check(options)
    home = gateway_home(options.home)
    if options.undo:
        with one_editor(home.path):
            return _undo(home)
    conversations = seen.conversations(home.path)
    if options.list or not (options.map or options.create or choose.can_ask()):
        return _list(home, conversations, options)
    if not hermes_installed():
        raise wrong_interpreter()
    before = read_text(home.config)
    mapping = _mapping(options.map)
    _want_profiles(home, mapping, options.create)
    if not options.map and choose.can_ask():
        mapping, options.create = _ask(home, conversations, options.create)
    if options.dry_run:
        say_file(first_routes.written(home, before, mapping, conversations))
        return OK
    new = first_routes.written(home, before, mapping, conversations)
    created = [name for name in options.create if _create(home, name)]
    with one_editor(home.path):
        _carry_out(home, before, new, mapping, created)
    tip(f"a gateway loads plugins only when it starts: {home.restart}")
    looked = argparse.Namespace(home=_home_option(home), offline=False, verbose=False, json=False)
    return NEGATIVE if doctor.run(looked) == NEGATIVE else OK


def _check(options: argparse.Namespace) -> None:
    """Refuse options that the command would pass over.

    Raises:
        CommandError: two options do not work together.
    """
    changes = bool(options.map or options.create)
    if changes and (options.list or options.undo):
        other = "--list" if options.list else "--undo"
        message = f"--map and --create do not work together with {other}"
        raise CommandError(message, status=WRONG)
    if options.json and (changes or options.undo or options.dry_run):
        raise CommandError("--json works only for the list of conversations", status=WRONG)


def _ask(
    home: GatewayHome, conversations: list[SeenConversation], create: list[str]
) -> tuple[Mapping, list[str]]:
    try:
        return first_routes.ask(home, conversations, create)
    except CannotAsk as error:
        hint = f"use options instead: {home.router('init --map PLACE=PROFILE')}"
        raise CommandError(str(error), hint=hint) from error


def _carry_out(
    home: GatewayHome, before: str, new: str, mapping: Mapping, created: list[str]
) -> None:
    if new == before:
        before = new = read_text(home.config)  # another command may have edited it meanwhile
    else:
        replace_text(home, before, new)
    for place, profile in mapping.items():
        now = "no longer routed" if profile == NOBODY else f"routed to {profile}"
        say(f"{spelled(place)} is {now}")
    enabled, disabled = plugin_names.plugin_lists(home.config)
    was_on = plugin_names.PLUGIN in enabled and plugin_names.PLUGIN not in disabled
    enable.switch_on(home)
    after = read_text(home.config)
    if new != before:
        last_edit.note(home, before, after)
    if after != before or created:
        routes = list(first_routes.reverse(home, before, mapping).items())
        done = _Done(
            before=before, after=after, routes=routes, switched_on=not was_on, created=created
        )
        _note(home, done)
        tip(f"to undo all of this: {home.router('init --undo')}")


def _home_option(home: GatewayHome) -> str | None:
    return str(home.path) if home.chosen_by == "--home" else None


# -- what is there -----------------------------------------------------------------------------


def _list(
    home: GatewayHome, conversations: list[SeenConversation], options: argparse.Namespace
) -> int:
    loaded = loading.load(_home_option(home), offline=True)
    result = OK if options.list else NEGATIVE
    if options.json:
        return _list_json(loaded, conversations, result)
    rows = [(*row[:3], row[3] or "") for row in _rows(loaded.usable_config(), conversations)]
    if rows:
        say_table(("PLACE", "KIND", "NAME", "ANSWERED BY"), rows)
    else:
        empty = (
            "Hermes has seen no conversation yet: write a message to the bot, then run this again"
        )
        say_prose("", empty)
    if not options.list:
        tip(
            "there is no terminal to ask on; use options: "
            f"{home.router('init --map PLACE=PROFILE')}"
        )
    return result


def _list_json(loaded: Loaded, conversations: list[SeenConversation], result: int) -> int:
    """Print the conversations as JSON; with a broken configuration, nobody knows who answers."""
    if loaded.config is None:
        result = WRONG
    keys = ("place", "kind", "name", "profile")
    listed = [dict(zip(keys, row, strict=True)) for row in _rows(loaded.config, conversations)]
    fields = {"schema": 1, "command": "init", "exit_status": result}
    problems = [loading.problem_fields(problem) for problem in loaded.problems]
    home = str(loaded.home.path)
    say_json({**fields, "home": home, "conversations": listed, "problems": problems})
    return result


def _rows(
    config: RouterConfig | None, conversations: list[SeenConversation]
) -> Iterator[tuple[str, str, str, str | None]]:
    for seen_one in conversations:
        answers = first_routes.answers(config, seen_one.place) if config is not None else None
        yield (spelled(seen_one.place), seen_one.kind, seen_one.name, answers)


def _mapping(words: list[str]) -> Mapping:
    found: dict[Place, str] = {}
    for word in words:
        place, equals, profile = word.rpartition("=")
        if not equals or not profile:
            hint = "write, for example: --map telegram:-1003961179976:6=career"
            raise CommandError(f"{word!r} is not PLACE=PROFILE", hint=hint, status=WRONG)
        found[place_of(place)] = profile.strip().lower()
    return found


def _want_profiles(home: GatewayHome, mapping: Mapping, create: list[str]) -> None:
    """Refuse names of profiles that cannot be meant, before anything is changed.

    Raises:
        CommandError: a name is not valid, or there is no such profile.
    """
    for name in create:
        if not PROFILE_NAME.match(name) or name == NOBODY:
            hint = f"a name has {NAME_RULE}"
            raise CommandError(f"{name!r} is not a valid profile name", hint=hint, status=WRONG)
    maps = " ".join(
        f"--map {shlex.quote(f'{spelled(place)}={profile}')}" for place, profile in mapping.items()
    )
    known = {NOBODY, *create}
    missing = [
        name
        for name in dict.fromkeys(mapping.values())
        if name not in known and not loading.exists(name, home.root)
    ]
    made = " ".join(f"--create {name}" for name in (*create, *missing))
    for name in missing:
        want_profile(home, name, home.router(f"init {made} {maps}"))


def _create(home: GatewayHome, name: str) -> bool:
    """Have Hermes make a profile with the gateway's model and key; return False if it exists.

    Raises:
        CommandError: Hermes did not create the profile.
    """
    if loading.exists(name, home.root):
        return False
    words = ["profile", "create", name, "--clone-from", home.profile]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hermes_cli.main", *words],
        env={**os.environ, "HERMES_HOME": str(home.root)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_CREATE_SECONDS,
        check=False,
    )
    if not loading.exists(name, home.root):
        said = (done.stderr or done.stdout).strip().splitlines()
        reason = said[-1] if said else f"status {done.returncode}"
        hint = f"HERMES_HOME={shlex.quote(str(home.root))} hermes {' '.join(words)}"
        raise CommandError(f"Hermes did not create the profile {name!r}: {reason}", hint=hint)
    cloned_plugin.take_out(home.root / "profiles" / name)
    say(f"created the profile {name}, with the model and key of the profile {home.profile}")
    return True


# -- taking it back ----------------------------------------------------------------------------


def _note(home: GatewayHome, done: _Done) -> None:
    file = _record(home)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(file, msgspec.json.encode(done))


def _record(home: GatewayHome) -> Path:
    return home.path / "hermes-router" / _RECORD


def _undo(home: GatewayHome) -> int:
    file = _record(home)
    try:
        done = msgspec.json.decode(file.read_bytes(), type=_Done)
    except (FileNotFoundError, msgspec.DecodeError) as error:
        raise CommandError("there is no init to undo", where=str(file)) from error
    now = read_text(home.config)
    if now == done.after:
        replace_text(home, now, done.before)
    else:
        _take_out(home, now, done)
    last_edit.note(home, now, read_text(home.config))
    _park_again(home)
    file.unlink()
    say(f"{home.config} has the routes that it had before")
    if done.created:
        kept = f"{counted(len(done.created), 'new profile')} ({', '.join(done.created)})"
        say(f"kept: {kept}; to remove one: {home.hermes('profile delete NAME', 'default')}")
    tip(f"the running gateway does not change until you restart it: {home.restart}")
    return OK


def _take_out(home: GatewayHome, now: str, done: _Done) -> None:
    """Undo the edit of init in a file that a person or Hermes has changed since."""
    replace_text(home, now, first_routes.written(home, now, dict(done.routes), ()))
    if done.switched_on and plugin_names.PLUGIN in plugin_names.plugin_lists(home.config)[0]:
        plugin_names.edit(home.config, without_plugin)


def _park_again(home: GatewayHome) -> None:
    """Park again the profiles that the restored file routes while it enables the plugin."""
    list(unpark(home.root))
    config, _ = loading.read(home.config, home)
    enabled, _ = plugin_names.plugin_lists(home.config)
    if config is not None and plugin_names.PLUGIN in enabled:
        list(park(home, config))
