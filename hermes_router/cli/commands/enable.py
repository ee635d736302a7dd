"""``hermes-router enable``: add the plugin's name to ``plugins.enabled``; keep the rest."""

from __future__ import annotations

import argparse
import contextlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hermes_router.cli import parser as commands
from hermes_router.cli import status
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.homes import (
    GatewayHome,
    gateway_home,
    hermes_installed,
    wrong_interpreter,
)
from hermes_router.cli.setup.parking import park
from hermes_router.cli.setup.plugin_edit import CannotEdit, with_plugin
from hermes_router.cli.status import CommandError
from hermes_router.cli.terminal.output import say, tip
from hermes_router.config.yaml import load, plain_value

#: The name of our entry point; Hermes uses it as the plugin's name.
PLUGIN = "hermes-router"

_EPILOG = """\
It edits config.yaml as `hermes plugins enable hermes-router` does, with every version of Hermes.
The file keeps its comments, its order and its mode; a second call changes nothing. If the edit is
not safe, it writes nothing and prints what you have to write. It parks routed profiles that have
no bot of their own (Hermes's own marker): a gateway without the router does not serve them.
Run it again after you have added a route to another profile.

examples:
  hermes-router enable
  hermes-router enable --home ~/.hermes

exit status: 0 it is enabled, 1 it could not be enabled, 2 an error in the command line or the file
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EPILOG
    commands.add_home_option(parser)


def run(options: argparse.Namespace) -> int:
    """Enable the plugin; return the exit status."""
    if not hermes_installed():
        raise wrong_interpreter()
    home = gateway_home(options.home)
    switch_on(home)
    config, _ = loading.read(home.config, None)
    if config is not None and not config.table.routes:
        tip(f"add routes: {home.router('route add PLACE PROFILE')}; then: {home.restart}")
    else:
        tip(f"a gateway loads plugins when it starts: {home.restart}")
    return status.OK


def switch_on(home: GatewayHome) -> None:
    """Add the plugin's name to the configuration, and park the routed profiles.

    Raises:
        CommandError: the file cannot be edited.
    """
    file = home.config
    enabled, disabled = plugin_lists(file)
    if PLUGIN in disabled:
        raise CommandError(
            f"{PLUGIN} is in plugins.disabled, which overrides plugins.enabled",
            where=str(file),
            hint="remove it there, then run this again",
        )
    if PLUGIN in enabled:
        say(f"{PLUGIN} is already enabled in {file}")
    else:
        edit(file, with_plugin)
        say(f"enabled {PLUGIN} in {file}")
    _park(home)


def _park(home: GatewayHome) -> None:
    """Have Hermes not serve the routed profiles: without the router, nobody answers for them."""
    config, _ = loading.read(home.config, home)
    parked = list(park(home, config.worker_profiles())) if config else []
    if parked:
        say(
            f"parked for Hermes's own gateway: {', '.join(parked)}; a gateway without the router "
            "does not serve them"
        )


def plugin_lists(file: Path) -> tuple[list[Any], list[Any]]:
    """Return a configuration's ``plugins.enabled`` and ``plugins.disabled``; [] if missing.

    Raises:
        ConfigError: the file cannot be read as YAML.
    """
    try:
        node = load(file)
    except FileNotFoundError:
        return [], []
    values = plain_value(node) if node is not None else {}
    plugins = values.get("plugins") if isinstance(values, dict) else None
    plugins = plugins if isinstance(plugins, dict) else {}
    lists = (plugins.get("enabled"), plugins.get("disabled"))
    enabled, disabled = (value if isinstance(value, list) else [] for value in lists)
    return enabled, disabled


def edit(file: Path, change: Callable[[str, str], str]) -> None:
    """Edit a configuration with ``change``, which takes the text and the plugin's name.

    Raises:
        CommandError: the edit is unsafe, or the file cannot be written.
    """
    # The file may be a link, for example into a repository of dot-files: replace the linked file.
    target = Path(os.path.realpath(file))
    try:
        old = target.read_bytes() if target.exists() else b""
        new = change(old.decode("utf-8"), PLUGIN)
        _replace(target, new.encode("utf-8"))
    except (CannotEdit, UnicodeDecodeError) as error:
        raise CommandError(
            f"cannot be edited safely: {error}",
            where=str(file),
            hint=f"edit it yourself: write under the top-level key `plugins`: enabled: [{PLUGIN}]",
        ) from error
    except OSError as error:
        raise CommandError(
            f"cannot be written: {error.strerror}",
            where=str(file),
            hint="run this as the user that runs the gateway",
        ) from error


def _replace(target: Path, data: bytes) -> None:
    """Write a file whole or not at all; keep its mode and owner, or use 0600 for a new file."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            with contextlib.suppress(FileNotFoundError):
                info = target.stat()
                os.fchmod(descriptor, stat.S_IMODE(info.st_mode))
                if (info.st_uid, info.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(descriptor, info.st_uid, info.st_gid)
            os.fsync(descriptor)
        os.replace(name, target)  # noqa: PTH105 - the name is text
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)  # noqa: PTH108 - the name is text
        raise
