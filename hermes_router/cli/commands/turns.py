"""``hermes-router turns``: list how the routed messages ended."""

from __future__ import annotations

import argparse

from hermes_router.cli import parser as commands
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.homes import GatewayHome, gateway_home
from hermes_router.cli.status import OK
from hermes_router.cli.terminal import moments, tables
from hermes_router.cli.terminal.output import say_command, say_json
from hermes_router.observe import records
from hermes_router.turns.story import TurnReport

_EPILOG = """\
Each line is one routed message, the newest last. `hermes-router logs --turn ID` shows its log.

examples:
  hermes-router turns
  hermes-router turns --failed --since 2h
  hermes-router turns --profile career --slow 5
"""

_HEAD = ("TIME", "TURN", "PROFILE", "PLACE", "TOOK", "OUTCOME")
_SLOW_SECONDS = 10.0

#: The phases of a turn in their order, and what its time up to each was spent on.
_SPENT_ON = {
    "start": "start",
    "ready": "start",
    "model_request": "request",
    "reply": "model and tools",
}
#: Parts below this share of a turn are not named.
_SMALL = 0.1


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EPILOG
    parser.add_argument("--profile", metavar="NAME", help="only turns of this profile")
    parser.add_argument("--failed", action="store_true", help="only failed turns")
    parser.add_argument(
        "--slow",
        nargs="?",
        type=float,
        const=_SLOW_SECONDS,
        metavar="SECONDS",
        help="only turns that took at least this many seconds (10), the slowest last, and on what",
    )
    moments.add_since_option(parser)
    parser.add_argument(
        "-n", "--lines", type=int, default=20, help="the number of turns to list (20); 0 for all"
    )
    commands.add_home_option(parser)
    commands.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """Print the turns; return the exit status."""
    home = gateway_home(options.home)
    if options.profile is not None:
        loading.want_known(options.profile, home)
    folder = records.folder_of(home.path)
    found = records.read(folder, options.profile, earliest=options.since)
    chosen = _chosen(found, options)
    if options.json:
        say_json({"schema": 1, "command": "turns", "exit_status": OK, "turns": chosen})
    elif chosen:
        _show(chosen, explained=options.slow is not None)
    else:
        _say_nothing(home, options, recorded=bool(found or records.read(folder, options.profile)))
    return OK


def _chosen(turns: list[TurnReport], options: argparse.Namespace) -> list[TurnReport]:
    if options.failed:
        turns = [turn for turn in turns if turn.failed]
    if options.slow is not None:
        turns = [turn for turn in turns if (turn.seconds or 0.0) >= options.slow]
        turns.sort(key=lambda turn: turn.seconds or 0.0)
    return turns[-options.lines :] if options.lines > 0 else turns


def _show(turns: list[TurnReport], *, explained: bool = False) -> None:
    rows = [
        (
            moments.local(records.arrived(turn)),
            turn.turn,
            turn.profile,
            turn.place or turn.session,
            moments.span(turn.seconds),
            *([spent_on(turn)] if explained else []),
            outcome(turn),
        )
        for turn in turns
    ]
    head = (*_HEAD[:-1], "SPENT ON", _HEAD[-1]) if explained else _HEAD
    tables.show(head, rows, styles=["red" if turn.failed else "" for turn in turns])


def spent_on(turn: TurnReport) -> str:
    """Return what a turn's time was spent on, the longest first; "" if nothing is known of it.

    ``start`` is until its worker was ready, ``request`` what Hermes did before it asked the model.
    """
    parts, before = {"queue": turn.phases.get("queue", 0.0)}, 0.0
    for phase, name in _SPENT_ON.items():
        if phase in turn.phases:
            parts[name] = parts.get(name, 0.0) + turn.phases[phase] - before
            before = turn.phases[phase]
    least = _SMALL * sum(parts.values())
    longest = sorted(parts.items(), key=lambda part: part[1], reverse=True)
    return ", ".join(f"{name} {moments.span(took)}" for name, took in longest if took > least)


def outcome(turn: TurnReport) -> str:
    """Return in a few words, for a table, how a turn ended."""
    words = turn.outcome.replace("_", " ")
    if turn.fallback:
        words += f" by the fallback {turn.model}"
    why = turn.error or turn.failure
    return f"{words}: {why}" if why else words


def _say_nothing(home: GatewayHome, options: argparse.Namespace, *, recorded: bool) -> None:
    """Say why no turn is listed, and which command to run next."""
    if recorded:
        of_profile = f" --profile {options.profile}" if options.profile else ""
        command = home.router(f"turns{of_profile}")
        say_command(
            f"no recorded turn matches {_filters(options)}; to list the last turns:", command
        )
    elif options.profile:
        command = home.router("routes")
        say_command(
            f"no message was routed to {options.profile!r} yet; to see the routes:", command
        )
    else:
        command = home.router("test-route PLACE")
        say_command("no message was routed yet; to see who would answer one:", command)


def _filters(options: argparse.Namespace) -> str:
    """Return the options that excluded turns, as on a command line."""
    given = {
        "--failed": options.failed,
        "--slow": options.slow is not None,
        "--since": options.since is not None,
    }
    return " ".join(name for name, is_given in given.items() if is_given)
