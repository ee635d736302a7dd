"""``hermes-router status``: what the running gateway's router does now."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NoReturn

import msgspec

from hermes_router.cli import parser as commands
from hermes_router.cli.commands.turns import outcome
from hermes_router.cli.inspect.checks import connections
from hermes_router.cli.inspect.gateway.totals import Totals, totals
from hermes_router.cli.inspect.gateway.unanswered import ask
from hermes_router.cli.inspect.homes import GatewayHome, gateway_home
from hermes_router.cli.status import NEGATIVE, OK, CommandError
from hermes_router.cli.terminal import moments, screen, tables
from hermes_router.cli.terminal.output import paint, say, say_json, say_prose, tip
from hermes_router.observe import records
from hermes_router.observe.status.client import NoAnswer
from hermes_router.observe.status.messages import Configuration, Profile, Status, Worker

_EPILOG = """\
MEM and CPU count a worker and all processes that it started. Reply times are of today.

examples:
  hermes-router status
  hermes-router status --watch
  hermes-router status --json

exit status: 0 the gateway runs, 1 it does not run, or does not answer
"""

_SECONDS = 2.0
#: How many places are listed in which a message waits.
_MOST_PLACES = 10
#: How many problems of the configuration are shown.
_MOST_PROBLEMS = 5
_HEAD = ("PROFILE", "PID", "ROLE", "TURN", "PLACE", "PHASE", "AGE", "MEM", "CPU")
_HEAD_WAITING = ("PROFILE", "PLACE", "WAITING FOR A TURN")
_HEAD_IDLE = ("PROFILE", "PID", "ROLE", "AGE", "MEM", "CPU")


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "-w", "--watch", action="store_true", help="refresh every two seconds until Ctrl-C"
    )
    commands.add_home_option(parser)
    commands.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """Print the state; return the exit status."""
    home = gateway_home(options.home)
    if options.watch:
        if options.json:
            raise CommandError("--watch shows a live view: it does not work with --json")
        return _watch(home)
    try:
        now = _ask(home)
    except NoAnswer as error:
        return _show_none(error, as_json=options.json)
    if options.json:
        head = {"schema": 1, "command": "status", "exit_status": OK, "state": "running"}
        say_json(head | _plain(now))
    else:
        show(now, home.router)
    return OK


def _ask(home: GatewayHome) -> Status:
    answer = ask(home).status
    if answer is None:
        raise NoAnswer("does not answer", "the gateway sent an invalid answer")
    unconnected = connections.closed(home, answer.pid, answer.uptime)
    return msgspec.structs.replace(answer, closed=[*answer.closed, *unconnected])


def _plain(now: Status) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(now)
    return plain | {"totals": msgspec.to_builtins(totals(now.profiles))}


def _show_none(error: NoAnswer, *, as_json: bool) -> int:
    if as_json:
        say_json(
            {
                "schema": 1,
                "command": "status",
                "exit_status": NEGATIVE,
                "state": error.state,
                "error": error.message,
            }
        )
    else:
        say_prose(f"{paint(error.state, 'red')}: ", error.message)
        if error.hint:
            tip(error.hint)
    return NEGATIVE


def _watch(home: GatewayHome) -> NoReturn:
    """Show the state every two seconds; on a terminal, each time in the same place."""

    def show_now() -> None:
        try:
            show(_ask(home), home.router)
        except NoAnswer as error:
            _show_none(error, as_json=False)

    screen.repeat(show_now, _SECONDS, home.router("status"))


def show(now: Status, command: Callable[[str], str] = "hermes-router {}".format) -> None:
    """Print the state for people; ``command`` returns our command with the given words.

    What matters comes first, because ``status --watch`` may have room for the first lines only.
    """
    config = now.configuration
    running = paint("running", "green")
    versions = f"hermes-router {now.versions.get('router', '?')}"
    versions += f", Hermes {now.versions.get('hermes', '?')}"
    say(f"{running} for {moments.span(now.uptime)}, pid {now.pid}  ({versions})")
    if now.routing_closed:
        _show_closed(now, command)
        return
    routes = f"{_counted(config.routes, 'route')}, unmatched: {_unmatched(config)}"
    say_prose(f"{config.file}: ", routes)
    if config.error:
        refused = paint("the last edit of the configuration was refused:", "red")
        _say_error(f"{refused} ", config.error)
    for line in now.updated:
        say_prose("", paint(line, "yellow"))
    for closed in now.closed:
        say_prose(f"{paint('closed:', 'yellow')} ", closed)
    _show_problems(config, command)
    say()
    if not now.profiles:
        say(f"no profile is routed yet; add a route: {command('route add PLACE PROFILE')}")
        return
    _show_profiles(now)
    workers = [(profile.name, worker) for profile in now.profiles for worker in profile.workers]
    _show_rows(_HEAD, [_row(name, worker) for name, worker in workers if worker.turn])
    _show_waiting(now)
    _show_failures(now, command)
    _show_rows(_HEAD_IDLE, [_idle_row(name, worker) for name, worker in workers if not worker.turn])


def _show_closed(now: Status, command: Callable[[str], str]) -> None:
    """Say that no router runs in this gateway, so that there is nothing else to show."""
    say_prose(f"{paint('routing is closed:', 'red')} ", now.routing_closed)
    say("routed places get a notice, and nobody answers them")
    tip(f"{command('doctor')} says what to do")


def _unmatched(config: Configuration) -> str:
    own = [f"{name}: {policy}" for name, policy in config.unmatched_platforms.items()]
    return "; ".join([config.unmatched, *own])


def _show_problems(config: Configuration, command: Callable[[str], str]) -> None:
    """Show what somebody should look at in the file that is in force, the first few of it."""
    for problem in config.problems[:_MOST_PROBLEMS]:
        _say_error(f"{paint('configuration:', 'yellow')} ", problem)
    if (more := len(config.problems) - _MOST_PROBLEMS) > 0:
        say(paint(f"{more} more: {command('routes')}", "dim"))


def _say_error(head: str, text: str) -> None:
    """Say an error of the configuration; a line with a margin is a hint, which may be a command."""
    first, *rest = text.split("\n")
    say_prose(head, first)
    for line in rest:
        if line.startswith(" "):
            say(line)
        else:
            say_prose("", line)


def _show_profiles(now: Status) -> None:
    head = ("PROFILE", "ROUTES", "BUSY", "WAITING", "TODAY", "FAILED", "MEDIAN", "P95", "MEM")
    rows = [_profile_row(profile) for profile in now.profiles]
    styles = ["" if profile.usable else "red" for profile in now.profiles]
    of_all = totals(now.profiles)
    if len(rows) > 1:
        rows.append(_all_row(now.profiles, of_all))
        styles.append("bold")
    tables.show(head, rows, styles=styles)
    ready = sum(w.role == "template" for profile in now.profiles for w in profile.workers)
    budget = f"{ready} of {now.configuration.warm_profiles} profiles kept warm"
    if now.configuration.warm_memory_bytes:
        budget += f", {_bytes(now.configuration.warm_memory_bytes)} allowed"
    say(paint(f"{_bytes(of_all.memory)} in all; {budget}", "dim"))


def _profile_row(profile: Profile) -> tuple[str, ...]:
    return (
        profile.name,
        str(profile.routes),
        f"{profile.busy}/{profile.concurrent_turns}",
        _waiting(profile.waiting),
        str(profile.today.turns),
        str(profile.today.failed),
        moments.span(profile.today.median),
        moments.span(profile.today.p95),
        _bytes(profile.memory),
    )


def _all_row(profiles: Sequence[Profile], of_all: Totals) -> tuple[str, ...]:
    """Return the row of all profiles: a median of them all is not known."""
    waiting = [seconds for profile in profiles for seconds in profile.waiting]
    return (
        "all",
        str(sum(profile.routes for profile in profiles)),
        str(of_all.busy),
        _waiting(waiting),
        str(of_all.turns),
        str(of_all.failed),
        "",
        "",
        _bytes(of_all.memory),
    )


def _waiting(seconds: Sequence[float]) -> str:
    """Return how many messages wait, and how long the oldest of them has waited."""
    return f"{len(seconds)}, {moments.span(max(seconds))}" if seconds else ""


def _show_rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        say()
        tables.show(head, rows)


def _show_waiting(now: Status) -> None:
    """Show where messages wait for a free turn, the oldest first, and how many more there are."""
    waiting = [(profile.name, each) for profile in now.profiles for each in profile.waiting_places]
    waiting.sort(key=lambda pair: pair[1].seconds, reverse=True)
    rows = [
        (name, message.place, moments.span(message.seconds))
        for name, message in waiting[:_MOST_PLACES]
    ]
    _show_rows(_HEAD_WAITING, rows)
    if len(waiting) > len(rows):
        say(paint(f"{len(waiting) - len(rows)} more", "dim"))


def _row(name: str, worker: Worker) -> tuple[str, ...]:
    return (
        name,
        str(worker.pid or ""),
        worker.role,
        worker.turn,
        worker.place,
        "asks a person" if worker.waits_for_person else worker.phase,
        moments.span(worker.age),
        _bytes(worker.memory),
        moments.span(worker.cpu),
    )


def _idle_row(name: str, worker: Worker) -> tuple[str, ...]:
    return (
        name,
        str(worker.pid or ""),
        worker.role,
        moments.span(worker.age),
        _bytes(worker.memory),
        moments.span(worker.cpu),
    )


def _show_failures(now: Status, command: Callable[[str], str]) -> None:
    for profile in now.profiles:
        if (failure := profile.last_failure) is not None:
            when = moments.local(records.arrived(failure))
            say()
            what = f"{when} turn {failure.turn}: {outcome(failure)}"
            say_prose(f"last failure of {profile.name}: ", what)
            say(paint(f"  {command(f'logs --turn {failure.turn}')}", "dim"))


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
