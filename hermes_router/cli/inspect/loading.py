"""Read the configuration as the gateway would, and convert it for JSON answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from hermes_router.base.errors import ConfigError, Problem, ProfileError, nearest
from hermes_router.cli.inspect.gateway.serving import OFFLINE, Serving, compare, hidden
from hermes_router.cli.inspect.homes import GatewayHome, gateway_home, given_path, running_gateway
from hermes_router.cli.inspect.profile.profile_facts import ProfileFacts, look_at
from hermes_router.cli.status import WRONG, CommandError
from hermes_router.config import model as configuration
from hermes_router.config.model import RouterConfig, vanished
from hermes_router.profiles import model
from hermes_router.routing.table import Route
from hermes_router.state import running
from hermes_router.state.running import Running
from hermes_router.workers import launchers


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What a command has read of one gateway: its home and its configuration.

    ``config`` is None if the configuration cannot be used; ``error`` says why. ``gateway`` is the
    process id of the gateway that runs there, or None. ``serving`` compares it with ``file``.
    """

    home: GatewayHome
    file: Path
    config: RouterConfig | None
    error: ConfigError | None
    gateway: int | None
    serving: Serving = OFFLINE

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems that were found in the configuration."""
        found = self.config or self.error
        return found.problems if found is not None else ()

    def usable_config(self) -> RouterConfig:
        """Return the configuration, for a command that cannot go on without one.

        Raises:
            ConfigError: the configuration cannot be used; the error holds all problems.
        """
        if self.config is None:
            raise self.error or ConfigError([])
        return self.config

    def look_at(self, profile: str) -> ProfileFacts:
        """Return what the files say about a profile, with its settings from the configuration.

        Raises:
            ConfigError: the configuration cannot be used.
        """
        home = self.home
        settings = self.usable_config().settings(profile)
        return look_at(profile, home.root, settings, lambda name, words: home.hermes(words, name))

    def described(self) -> dict[str, Any]:
        """Return what the JSON answers say about the configuration."""
        files = self.config.files if self.config else self.error.files if self.error else ()
        return {
            "file": str(self.file),
            "files": [str(file) for file in files],
            "home": str(self.home.path),
            "home_chosen_by": self.home.chosen_by,
            "gateway_profile": self.home.profile,
            "gateway_pid": self.gateway,
            "gateway": self.serving.fields(),
        }


def load(
    home_option: str | None, config_option: str | None = None, *, offline: bool = False
) -> Loaded:
    """Read the configuration of the gateway's home, or the file that the user named.

    The running gateway is asked what it does, unless ``offline`` is true or the user named a file.

    Raises:
        CommandError: there is no such home or file.
    """
    home = gateway_home(home_option)
    file = home.config if config_option is None else given_path("--config", config_option)
    if config_option is not None and not file.exists():
        raise CommandError("there is no such file", where=str(file), status=WRONG)
    config, error = read(file, home)
    pid = running_gateway(home.path)
    serving = OFFLINE
    if not offline and config_option is None:
        record = recorded(home, pid)
        if isinstance(record, Running) and record.table is not None:
            error = vanished(str(file)) or error
            config = None if error else config
        serving = _asked(home, pid, record, config)
    return Loaded(home=home, file=file, config=config, error=error, gateway=pid, serving=serving)


def recorded(home: GatewayHome, pid: int | None) -> Running | PermissionError | None:
    """Return the file in which gateway ``pid`` says what it runs; None if it wrote none.

    Returns a ``PermissionError`` if this user may not read the record.
    """
    try:
        record = running.read(home.path)
    except PermissionError as error:
        return error
    return record if record is not None and record.pid == pid else None


def _asked(
    home: GatewayHome,
    pid: int | None,
    record: Running | PermissionError | None,
    config: RouterConfig | None,
) -> Serving:
    if isinstance(record, PermissionError):
        return hidden(pid)
    return compare(pid, record, config, home.restart, home.router("doctor"))


def read(
    file: Path, home: GatewayHome | None, platforms: frozenset[str] | None = None
) -> tuple[RouterConfig | None, ConfigError | None]:
    """Return the configuration in ``file`` or its error; without a home, no profile is checked."""
    try:
        return (
            configuration.load(
                file,
                gateway_profile=home.profile if home else "default",
                known_platforms=platforms,
                profile_exists=(lambda name: exists(name, home.root)) if home else None,
                profile_names=(lambda: model.names(home.root)) if home else None,
                create_profile=(
                    lambda name: home.hermes(f"profile create {name} --clone", "default")
                )
                if home
                else str,
                launcher_obstacle=launchers.check if home else None,
            ),
            None,
        )
    except ConfigError as error:
        return None, error


def exists(name: str, root: Path) -> bool:
    """Return True if the root has a profile with this name."""
    try:
        model.find(name, root)
    except ProfileError:
        return False
    return True


def want_known(name: str, home: GatewayHome) -> None:
    """Refuse a name that a person gave for a profile if nothing is known of such a profile.

    A profile that is gone is accepted while there are records of its turns.

    Raises:
        CommandError: it names the profile with the nearest name, and all profiles.
    """
    if exists(name, home.root):
        return
    from hermes_router.observe import records  # noqa: PLC0415 - slow, and rarely needed

    if records.has(records.folder_of(home.path), name):
        return
    there = ["default", *(each for each in model.names(home.root) if exists(each, home.root))]
    hint = nearest(name, there).replace("allowed:", "profiles:")
    raise CommandError(f"there is no profile {name!r}", hint=hint, status=WRONG)


def route_fields(route: Route) -> dict[str, Any]:
    """Return a route as the JSON answers show it."""
    return {
        "profile": route.profile,
        "platform": route.platform,
        "guild_id": route.guild_id,
        "chat_id": route.chat_id,
        "thread_id": route.thread_id,
        "user_id": route.user_id,
        "bot_profile": route.bot_profile,
        "name": route.name,
        "enabled": route.enabled,
        "specificity": route.specificity,
        "file": route.file,
        "line": route.line,
        "column": route.column,
        "path": route.path,
    }


def problem_fields(problem: Problem) -> dict[str, Any]:
    """Return a problem of a configuration as the JSON answers show it."""
    fields: dict[str, Any] = msgspec.to_builtins(problem)
    return fields
