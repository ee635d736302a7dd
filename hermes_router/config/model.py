"""The gateway's configuration: the routes and the router's own settings, validated, frozen.

It is read from the gateway home's ``config.yaml`` (:mod:`hermes_router.config.reader` says which
parts) and judged as a whole here: routes that contradict each other, profiles that do not exist,
settings of profiles that no route leads to. All problems are reported at once.

A profile or platform that does not exist here does not refuse the file (``severity="unusable"``):
its messages are answered with a notice, and by nobody else.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import msgspec

from hermes_router.config.reader import ConfigReader, Unmatched
from hermes_router.config.settings import Schedule, Settings, TurnBudget, WarmBudget
from hermes_router.errors import ConfigError, Problem, nearest
from hermes_router.routing.table import Match, Place, RouteTable
from hermes_router.routing.unreachable import doubtful, unreachable

Action = Literal["worker", "in_process", "deny"]


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Who answers a place.

    ``worker``: a worker of ``profile``. ``in_process``: Hermes's own path in the gateway, by a
    route to the gateway's own profile or because nothing matched. ``deny``: nobody. ``match`` is
    the route, if it was one.
    """

    action: Action
    profile: str | None = None
    match: Match | None = None


class RouterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the router was told, validated.

    ``files`` are the files that it was read from, missing ones too. ``problems`` holds what is
    worth reporting without refusing the file.
    """

    path: Path
    table: RouteTable
    gateway_profile: str = "default"
    unmatched: Unmatched = Unmatched()
    missing_profile: Literal["notice"] = "notice"
    routes_file: Path | None = None
    warm_budget: WarmBudget = WarmBudget()
    turn_budget: TurnBudget = TurnBudget()
    schedule: Schedule = Schedule()
    defaults: Settings = Settings()
    profiles: Mapping[str, Settings] = MappingProxyType({})
    problems: tuple[Problem, ...] = ()
    files: tuple[Path, ...] = ()

    def settings(self, profile: str) -> Settings:
        """Return the settings of *profile*: its own on top of the defaults."""
        return self.profiles.get(profile, self.defaults)

    def shared(self) -> Iterator[tuple[str, str]]:
        """Yield each profile with each thing that was explicitly shared with it."""
        names = dict.fromkeys(
            (*(r.profile for r in self.table.routes if r.enabled), *self.profiles)
        )
        for name in names:
            for what in self.settings(name).shared():
                yield name, what

    def worker_profiles(self) -> list[str]:
        """Return the profiles that workers are started for, in the order of the table."""
        policies = (self.unmatched.default, *self.unmatched.platforms.values())
        named = [route.profile for route in self.table.routes if route.enabled]
        named += [policy for policy in policies if policy not in ("default", "deny")]
        return [name for name in dict.fromkeys(named) if name != self.gateway_profile]

    def decide(self, place: Place) -> Decision:
        """Say who answers *place*."""
        match = self.table.match(place)
        if match is not None:
            return self._by(match.route.profile, match)
        if place.bot is not None:  # another profile's own bot: its messages are that profile's
            return Decision("in_process")
        policy = self.unmatched.policy(place.platform)
        if policy == "deny":
            return Decision("deny")
        return Decision("in_process") if policy == "default" else self._by(policy, None)

    def _by(self, profile: str, match: Match | None) -> Decision:
        action: Action = "in_process" if profile == self.gateway_profile else "worker"
        return Decision(action, profile, match)


def load(
    config_path: Path | str,
    *,
    gateway_profile: str = "default",
    known_platforms: Container[str] | None = None,
    profile_exists: Callable[[str], bool] | None = None,
    profile_names: Callable[[], Iterable[str]] | None = None,
    launcher_obstacle: Callable[[str], str | None] | None = None,
) -> RouterConfig:
    """Read the configuration at *config_path* and the routes file that it names.

    A missing file is an empty table. *gateway_profile* is the profile that the gateway process
    runs as: a route to it is a carve-out, answered in the gateway as if unrouted. Without
    *known_platforms* or *profile_exists* those questions are not asked; *profile_names* serves
    hints only. *launcher_obstacle* says why a launcher does not work here, or None.

    Raises:
        ConfigError: with every problem found.
    """
    path = Path(config_path)
    reader = ConfigReader(path, known_platforms)
    reader.read()
    table, conflicts = RouteTable.index(reader.routes)
    problems = [*reader.problems, *conflicts, *unreachable(reader.routes)]
    problems += [*doubtful(reader.routes), *_unused(reader)]
    problems += _missing(reader, profile_exists, profile_names, gateway_profile)
    problems += _unusable(reader, launcher_obstacle)
    problems.sort(key=lambda p: (p.file != str(path), p.file, p.line, p.column))
    if any(problem.severity == "error" for problem in problems):
        raise ConfigError(problems, files=[str(file) for file in reader.files])
    return RouterConfig(
        path=path,
        table=table,
        gateway_profile=gateway_profile,
        unmatched=reader.unmatched,
        routes_file=reader.routes_file,
        warm_budget=reader.warm_budget,
        turn_budget=reader.turn_budget,
        schedule=reader.schedule,
        defaults=reader.defaults,
        profiles=MappingProxyType(reader.profiles),
        problems=tuple(problems),
        files=tuple(reader.files),
    )


def vanished(file: Path | str) -> ConfigError | None:
    """Return why a file that a gateway has read once may not be as it is now: empty, or gone."""
    try:
        if Path(file).stat().st_size > 0:
            return None
        what = "is empty"
    except OSError:
        what = "has been removed"
    hint = "the last good configuration stays in force until there is a new one, or a restart"
    return ConfigError([Problem(file=str(file), message=f"the file {what}", hint=hint)])


def _targets(reader: ConfigReader) -> dict[str, list[Problem]]:
    """Return each profile that messages may go to, with a problem per place that says so."""
    targets: dict[str, list[Problem]] = {}
    for route in reader.routes:
        place = Problem(
            file=route.file, line=route.line, column=route.column, path=route.path, message=""
        )
        if route.enabled:
            targets.setdefault(route.profile, []).append(place)
    for policy, place in reader.policies:
        if policy not in ("default", "deny"):
            targets.setdefault(policy, []).append(place)
    return targets


def _missing(
    reader: ConfigReader,
    exists: Callable[[str], bool] | None,
    names: Callable[[], Iterable[str]] | None,
    gateway_profile: str,
) -> Iterator[Problem]:
    for profile, places in _targets(reader).items() if exists else ():
        if exists is None or profile in ("default", gateway_profile) or exists(profile):
            continue
        more = f" (and {len(places) - 1} more routes to it)" if len(places) > 1 else ""
        yield msgspec.structs.replace(
            places[0],
            message=f"the profile {profile!r} does not exist{more}",
            hint=_mend(profile, names() if names else ()),
            severity="unusable",
            code="missing-profile",
        )


def _unusable(
    reader: ConfigReader, obstacle: Callable[[str], str | None] | None
) -> Iterator[Problem]:
    """Yield the profiles whose launcher does not work on this machine: nothing stands in for it."""
    for profile, places in _targets(reader).items() if obstacle else ():
        launcher = reader.profiles.get(profile, reader.defaults).launcher
        reason = obstacle(launcher) if obstacle else None
        if reason is not None:
            yield msgspec.structs.replace(
                reader.profile_places.get(profile, places[0]),
                message=f"launcher: {launcher} does not work here, and no other is used instead; "
                f"the profile {profile!r} answers with a notice only",
                hint=reason,
                severity="unusable",
                code="launcher",
            )


def _mend(profile: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(profile, list(names), n=1)
    guess = f"did you mean {close[0]!r}? or " if close else ""
    return f"{guess}create it: hermes profile create {profile}"


def _unused(reader: ConfigReader) -> Iterator[Problem]:
    targets = {route.profile for route in reader.routes} | {name for name, _ in reader.policies}
    for profile, place in reader.profile_places.items():
        if profile not in targets:
            yield msgspec.structs.replace(
                place,
                message=f"settings of the profile {profile!r}, to which no route leads",
                hint=nearest(profile, targets) if targets else "",
                severity="warning",
                code="unused-settings",
            )
