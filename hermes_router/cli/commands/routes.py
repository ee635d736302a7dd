"""``hermes-router routes``: show the table in force, or check a file before it is used."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from hermes_router.base.errors import ConfigError, Problem, nearest
from hermes_router.cli import parser as commands
from hermes_router.cli import status
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.gateway.serving import kept
from hermes_router.cli.inspect.homes import (
    GatewayHome,
    gateway_home,
    given_path,
    hermes_installed,
    wrong_interpreter,
)
from hermes_router.cli.inspect.loading import Loaded
from hermes_router.cli.inspect.profile.profile_facts import ProfileFacts
from hermes_router.cli.status import CommandError
from hermes_router.cli.terminal.output import (
    complain,
    complain_of,
    counted,
    note,
    one_line,
    paint,
    say,
    say_fields,
    say_json,
    say_prose,
    say_table,
    severity,
)
from hermes_router.cli.terminal.pager import paged
from hermes_router.config.model import RouterConfig
from hermes_router.routing.table import DISCRIMINATORS, WEIGHTS, Route
from hermes_router.routing.unreachable import PLATFORMS

_EPILOG = """\
The most specific route comes first. TAKES FROM is the less specific route that would match the
same messages without it. The command reports every error in a configuration; a running gateway
keeps the last good route table until you correct them.

$PAGER shows a table that is longer than the terminal; PAGER=cat prints it directly.

--check reads FILE alone, for use in CI. It does not look at this machine unless you give --home.

examples:
  hermes-router routes
  hermes-router routes --profile career
  hermes-router routes --platform telegram --json
  hermes-router routes --check config.yaml
  hermes-router routes --check config.yaml --strict

exit status: 0 no errors, 1 warnings (with --strict), 2 an error in the configuration, 3 a route
leads to a profile that cannot answer
"""


#: Problems of the configuration that are also findings about a profile.
TOLD_WITH_THE_PROFILE = frozenset({"missing-profile", "launcher"})


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EPILOG
    parser.add_argument("--profile", metavar="NAME", help="only the routes to this profile")
    parser.add_argument("--platform", metavar="NAME", help="only the routes of this platform")
    parser.add_argument("--check", metavar="FILE", help="check this file only")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="with --check: exit with status 1 if there are warnings",
    )
    commands.add_home_option(parser)
    commands.add_offline_option(parser)
    commands.add_json_option(parser)


def run(options: argparse.Namespace) -> int:
    """Print the table or the check's result; return the exit status."""
    if options.check is not None:
        if options.profile is not None or options.platform is not None:
            raise CommandError(
                "--profile and --platform do not work together with --check", status=status.WRONG
            )
        return _check(options)
    if options.strict:
        raise CommandError("--strict works only together with --check", status=status.WRONG)
    loaded = loading.load(options.home, offline=options.offline)
    _want_known(options, loaded)
    table = _Table(loaded, options.profile, options.platform)
    if options.json:
        say_json(table.fields())
    elif loaded.error is not None:
        _show_broken(loaded)
    else:
        with paged():
            table.show()
    return table.status


def _want_known(options: argparse.Namespace, loaded: Loaded) -> None:
    """Spell the names in the options as routes do, and refuse those that nothing has.

    Raises:
        CommandError: there is no such profile or platform.
    """
    if options.profile is not None:
        options.profile = options.profile.strip().lower()
        routed = loaded.config.worker_profiles() if loaded.config is not None else [options.profile]
        if options.profile not in routed:
            loading.want_known(options.profile, loaded.home)
    if options.platform is not None:
        options.platform = options.platform.strip().lower()
        there = {route.platform for route in loaded.config.table.routes} if loaded.config else set()
        if loaded.config is not None and options.platform not in there | PLATFORMS:
            hint = ""
            if there:
                hint = nearest(options.platform, there).replace("allowed:", "routes exist for:")
            message = f"no route and no known Hermes has the platform {options.platform!r}"
            raise CommandError(message, hint=hint, status=status.WRONG)


# -- --check -----------------------------------------------------------------------------------


def _check(options: argparse.Namespace) -> int:
    file = given_path("--check", options.check)
    if not file.exists():
        raise CommandError("there is no such file", where=str(file), status=status.WRONG)
    home = gateway_home(options.home) if options.home is not None else None
    config, error = loading.read(file, home)
    result = _check_status(config, error, strict=options.strict)
    problems = config.problems if config else error.problems if error else ()
    if options.json:
        say_json(_checked_fields(file, home, config, problems, result))
    elif error is not None:
        complain(error)
    else:
        for problem in problems:
            complain_of(problem)
        count = counted(len(config.table) if config else 0, "route")
        say(f"{file}: {count}, {_counted(problems)}")
    return result


def _check_status(config: RouterConfig | None, error: ConfigError | None, *, strict: bool) -> int:
    if error is not None or config is None:
        return status.WRONG
    severities = {problem.severity for problem in config.problems}
    if "unusable" in severities:
        return status.UNUSABLE
    return status.NEGATIVE if strict and severities else status.OK


def _checked_fields(
    file: Path,
    home: GatewayHome | None,
    config: RouterConfig | None,
    problems: Iterable[Problem],
    result: int,
) -> dict[str, Any]:
    return {
        "schema": 1,
        "command": "routes --check",
        "exit_status": result,
        "file": str(file),
        "home": str(home.path) if home else None,
        "routes": len(config.table) if config else None,
        "problems": [loading.problem_fields(problem) for problem in problems],
    }


def _counted(problems: Iterable[Problem]) -> str:
    words = [problem.severity for problem in problems]
    counts = [f"{words.count(word)} {word}" for word in dict.fromkeys(words)]
    return ", ".join(counts) or "no errors or warnings"


# -- the table ---------------------------------------------------------------------------------


class _Table:
    """The routes and their profiles, or only those of one profile or platform."""

    def __init__(
        self, loaded: Loaded, profile: str | None = None, platform: str | None = None
    ) -> None:
        self.loaded = loaded
        config = loaded.config
        every = config.table.routes if config else ()
        self.routes = [
            route
            for route in every
            if profile in {None, route.profile} and platform in {None, route.platform}
        ]
        self.left_out = len(every) - len(self.routes)
        self.takes_from = wider_routes(every)
        self.profiles: dict[str, ProfileFacts] = {}
        if config is not None:
            wanted = {route.profile for route in self.routes} if self.left_out else None
            for name in config.worker_profiles():
                if wanted is None or name in wanted:
                    self.profiles[name] = loaded.look_at(name)

    @property
    def status(self) -> int:
        """The exit status."""
        if self.loaded.config is None:
            return status.WRONG
        unusable = any(not facts.usable for facts in self.profiles.values())
        broken = any(problem.severity == "unusable" for problem in self.loaded.problems)
        return status.UNUSABLE if unusable or broken else status.OK

    # -- JSON ----------------------------------------------------------------------------------

    def fields(self) -> dict[str, Any]:
        """Return the table as docs/cli.md describes it."""
        config = self.loaded.config
        return {
            "schema": 1,
            "command": "routes",
            "exit_status": self.status,
            "config": self.loaded.described(),
            "routes": [self._route_fields(route) for route in self.routes],
            "unmatched": {
                "default": config.unmatched.default,
                "platforms": dict(config.unmatched.platforms),
            }
            if config
            else None,
            "profiles": [_profile_fields(facts) for facts in self.profiles.values()],
            "problems": [loading.problem_fields(problem) for problem in self.loaded.problems],
        }

    def _route_fields(self, route: Route) -> dict[str, Any]:
        wider = self.takes_from.get(id(route))
        return {
            **loading.route_fields(route),
            "answered_by": "worker" if route.profile in self.profiles else "gateway",
            "usable": self._usable(route),
            "takes_from": {"profile": wider.profile, "label": wider.label, "where": wider.where}
            if wider
            else None,
        }

    def _usable(self, route: Route) -> bool:
        facts = self.profiles.get(route.profile)
        return facts is None or facts.usable

    # -- for people ----------------------------------------------------------------------------

    def show(self) -> None:
        """Print the table."""
        config = self.loaded.usable_config()
        serving = self.loaded.serving
        say_fields(
            [
                ("configuration", str(self.loaded.file)),
                ("gateway", f"profile {config.gateway_profile}, {serving.what}"),
                ("", serving.mend),
                ("unmatched", _policies(config)),
            ],
            indent="",
            prose=True,
        )
        say()
        if self.left_out:
            say(f"{counted(len(self.routes), 'route')} of {len(self.routes) + self.left_out}")
        if self.routes:
            head = ("PLATFORM", "MATCHES", "PROFILE", "STATE", "WRITTEN AT", "TAKES FROM")
            say_table(head, [self._row(route) for route in self.routes])
        elif not self.left_out:
            home = self.loaded.home
            say("no routes: every message is unmatched")
            say(f"to route conversations that Hermes has seen: {home.router('init')}")
            say(f"to add one route: {home.router('route add PLACE PROFILE')}")
        self._show_findings()

    def _row(self, route: Route) -> tuple[str, ...]:
        wider = self.takes_from.get(id(route))
        matches = ", ".join(route.requires) or "everything"
        name = f" ({route.name})" if route.name else ""
        where = route.where.removeprefix(f"{self.loaded.file.parent}/")
        taken = f"{wider.label} -> {wider.profile}" if wider else ""
        return (route.platform, f"{matches}{name}", route.profile, self._state(route), where, taken)

    def _state(self, route: Route) -> str:
        if not route.enabled:
            return "disabled"
        if route.profile not in self.profiles:
            return "gateway"
        return "usable" if self._usable(route) else "UNUSABLE"

    def _show_findings(self) -> None:
        for problem in self.loaded.problems:
            if problem.code not in TOLD_WITH_THE_PROFILE:
                head = f"{severity(problem.severity)}: "
                say_prose(head, one_line(f"{problem.where}: {problem.message}"))
        for name, facts in self.profiles.items():
            for finding in facts.findings:
                if finding.severity == "error" or finding.check == "own-gateway":
                    head = f"{severity(finding.severity)}: "
                    say_prose(head, one_line(f"{name}: {finding.what} ({finding.where})"))
                    say(f"    {one_line(finding.mend)}")
        if not hermes_installed():
            wrong = wrong_interpreter()
            say(f"{severity('warning')}: {wrong.message} ({wrong.where})")
            say(f"    {wrong.hint}")
        if any(facts.findings for facts in self.profiles.values()):
            doctor = self.loaded.home.router("doctor")
            say(paint(f"{doctor} shows more about the profiles", "dim"))


def _show_broken(loaded: Loaded) -> None:
    if loaded.error is not None:
        complain(loaded.error)
    note(f"{kept(loaded.serving.record, loaded.gateway)} ({loaded.serving.what})")


def _policies(config: RouterConfig) -> str:
    said = {
        "default": "default: Hermes answers, in the gateway",
        "deny": "deny: nobody answers",
    }
    unmatched = config.unmatched
    words = [said.get(unmatched.default, f"profile {unmatched.default}")]
    words += [f"{name}: {policy}" for name, policy in unmatched.platforms.items()]
    return "; ".join(words)


def _profile_fields(facts: ProfileFacts) -> dict[str, Any]:
    return {
        "name": facts.name,
        "home": str(facts.profile.home) if facts.profile else None,
        "usable": facts.usable,
        "model": facts.model,
        "provider": facts.provider,
        "own_gateway_pid": facts.gateway,
        "findings": [msgspec.to_builtins(finding) for finding in facts.findings],
    }


def wider_routes(routes: Iterable[Route]) -> dict[int, Route]:
    """Return, for each route by its ``id()``, the enabled route that would answer without it.

    That route is the most specific one whose fields are a part of this route's fields, with the
    same values. A route without one is not in the result.
    """
    enabled = [route for route in routes if route.enabled]
    by_key = {_key(route, DISCRIMINATORS): route for route in enabled}
    shapes: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    found: dict[int, Route] = {}
    for route in enabled:
        named = tuple(field for field in DISCRIMINATORS if getattr(route, field))
        if named not in shapes:
            shapes[named] = _parts(named)
        keys = (_key(route, part) for part in shapes[named])
        wider = next((by_key[key] for key in keys if key in by_key), None)
        if wider is not None:
            found[id(route)] = wider
    return found


def _parts(named: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the proper subsets of discriminators, the most specific first."""
    parts = [part for size in range(len(named)) for part in itertools.combinations(named, size)]
    return sorted(parts, key=lambda part: -sum(WEIGHTS[field] for field in part))


def _key(route: Route, fields: Iterable[str]) -> tuple[str | None, ...]:
    wanted = set(fields)
    values = (getattr(route, f) or None if f in wanted else None for f in DISCRIMINATORS)
    return (route.platform, *values)
