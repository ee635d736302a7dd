"""The gateway's configuration: the routes and the router's own settings, checked and frozen.

:mod:`hermes_router.config.reader` reads it from the gateway home's ``config.yaml``. This module
checks it as a whole: routes that contradict each other, profiles that do not exist, settings of
profiles that no route names. It reports all problems at once.

A profile or platform that does not exist does not make the file invalid (``severity="unusable"``).
Messages for it get a notice, and no other profile answers them.
"""

from __future__ import annotations

import functools
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import msgspec

from hermes_router.base.errors import ConfigError, Problem, closest, nearest
from hermes_router.config.reader import ConfigReader, Unmatched
from hermes_router.config.settings import Metrics, Schedule, Settings, TurnBudget, WarmBudget
from hermes_router.routing.table import Match, Place, RouteTable
from hermes_router.routing.unreachable import doubtful, unreachable

Action = Literal["worker", "in_process", "deny"]


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Who answers a place; the gateway asks for it at each message.

    ``worker``: a worker of ``profile``. ``in_process``: Hermes itself in the gateway, by a route to
    the gateway's own profile or because no route matched. ``deny``: nobody. ``match`` is the route
    that matched, or None.
    """

    action: Action
    profile: str | None = None
    match: Match | None = None


class RouterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The whole checked configuration of the router.

    ``files`` are the files that were read, including missing ones. ``problems`` are those with
    which the file can still be used; a file with an error gives no object of this class.
    """

    path: Path
    table: RouteTable
    gateway_profile: str = "default"
    unmatched: Unmatched = Unmatched()
    missing_profile: Literal["notice"] = "notice"
    routes_file: Path | None = None
    warm_budget: WarmBudget = WarmBudget()
    turn_budget: TurnBudget = TurnBudget()
    metrics: Metrics = Metrics()
    schedule: Schedule = Schedule()
    defaults: Settings = Settings()
    profiles: Mapping[str, Settings] = MappingProxyType({})
    problems: tuple[Problem, ...] = ()
    files: tuple[Path, ...] = ()

    def settings(self, profile: str) -> Settings:
        """Return the settings of *profile*: the defaults with the profile's own block on top."""
        return self.profiles.get(profile, self.defaults)

    def shared(self) -> Iterator[tuple[str, str]]:
        """Yield each profile with each setting that lets it use what is not its own.

        A pair is, for example, ``("career", "share ssh")``. The gateway logs them when it has read
        the configuration.
        """
        names = dict.fromkeys(
            (*(r.profile for r in self.table.routes if r.enabled), *self.profiles)
        )
        for name in names:
            for what in self.settings(name).shared():
                yield name, what

    def worker_profiles(self) -> list[str]:
        """Return the profiles that answer by workers, in the order of the route table.

        An enabled route or ``unmatched`` names them. The gateway's own profile is none of them.
        """
        policies = (self.unmatched.default, *self.unmatched.platforms.values())
        named = [route.profile for route in self.table.routes if route.enabled]
        named += [policy for policy in policies if policy not in ("default", "deny")]
        return [name for name in dict.fromkeys(named) if name != self.gateway_profile]

    def decide(self, place: Place) -> Decision:
        """Return who answers a message of *place*, by the routes and by ``unmatched``."""
        match = self.table.match(place)
        if match is not None:
            return self._by(match.route.profile, match)
        if place.bot is not None:  # another profile's own bot: that profile answers its messages
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
    create_profile: Callable[[str], str] = "hermes profile create {} --clone".format,
    launcher_obstacle: Callable[[str], str | None] | None = None,
    text: str | None = None,
) -> RouterConfig:
    """Read the configuration at *config_path* and the routes file that it names.

    A missing file is an empty table. *gateway_profile* is the profile that the gateway process runs
    as: the gateway itself answers what is routed to it. Without *known_platforms*, a platform that
    no known Hermes has gives a warning only. Without *profile_exists*, profiles are not checked.
    *profile_names* and *create_profile*, which returns the command that creates a profile, are used
    for hints only.
    *launcher_obstacle* takes a launcher's name and returns why it does not work here, or None.
    *text* is read in place of what the file holds, for an edit that is not written yet.

    Raises:
        ConfigError: the configuration cannot be used; the error holds all problems.
    """
    path = Path(config_path)
    reader = ConfigReader(path, known_platforms, text)
    reader.read()
    table, conflicts = RouteTable.index(reader.routes)
    problems = [*reader.problems, *conflicts, *unreachable(reader.routes)]
    problems += [*doubtful(reader.routes), *_unused(reader)]
    mend = functools.partial(_mend, names=profile_names, create=create_profile)
    problems += _missing(reader, profile_exists, mend, gateway_profile)
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
        metrics=reader.metrics,
        schedule=reader.schedule,
        defaults=reader.defaults,
        profiles=MappingProxyType(reader.profiles),
        problems=tuple(problems),
        files=tuple(reader.files),
    )


def vanished(file: Path | str) -> ConfigError | None:
    """Return an error if a file is empty or gone, and None otherwise.

    The gateway calls it for a file that it has read before: it then keeps what it has read, because
    an editor may be writing. What exists but cannot be read is not gone: :func:`load` says why it
    cannot be read.
    """
    try:
        info = Path(file).stat()
        if info.st_size > 0 or not stat.S_ISREG(info.st_mode):
            return None
        what = "is empty"
    except FileNotFoundError:
        what = "was removed"
    except OSError:
        return None
    hint = (
        "the last good configuration stays in force until you write a new one, or restart "
        "the gateway"
    )
    return ConfigError([Problem(file=str(file), message=f"the file {what}", hint=hint)])


def _targets(reader: ConfigReader) -> dict[str, list[Problem]]:
    """Return each profile that messages may go to, with a problem for each place that names it."""
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
    mend: Callable[[str], str],
    gateway_profile: str,
) -> Iterator[Problem]:
    for profile, places in _targets(reader).items() if exists else ():
        if exists is None or profile in ("default", gateway_profile) or exists(profile):
            continue
        more = f" (and {len(places) - 1} more routes to it)" if len(places) > 1 else ""
        yield msgspec.structs.replace(
            places[0],
            message=f"the profile {profile!r} does not exist{more}",
            hint=mend(profile),
            severity="unusable",
            code="missing-profile",
        )


def _unusable(
    reader: ConfigReader, obstacle: Callable[[str], str | None] | None
) -> Iterator[Problem]:
    """Report profiles whose launcher does not work on this machine: no other replaces it."""
    for profile, places in _targets(reader).items() if obstacle else ():
        launcher = reader.profiles.get(profile, reader.defaults).launcher
        reason = obstacle(launcher) if obstacle else None
        if reason is not None:
            yield msgspec.structs.replace(
                reader.profile_places.get(profile, places[0]),
                message=f"launcher: {launcher} does not work here, and the router uses no other "
                f"instead; conversations of the profile {profile!r} get a notice only",
                hint=reason,
                severity="unusable",
                code="launcher",
            )


def _mend(
    profile: str, names: Callable[[], Iterable[str]] | None, create: Callable[[str], str]
) -> str:
    guess = closest(profile, names()) if names else ""
    return f"{guess and guess + 'or '}create it: {create(profile)}"


def _unused(reader: ConfigReader) -> Iterator[Problem]:
    targets = {route.profile for route in reader.routes} | {name for name, _ in reader.policies}
    for profile, place in reader.profile_places.items():
        if profile not in targets:
            yield msgspec.structs.replace(
                place,
                message=f"there are settings for the profile {profile!r}, but no route leads to it",
                hint=nearest(profile, targets) if targets else "",
                severity="warning",
                code="unused-settings",
            )
