"""``hermes-router enable``: have Hermes load the plugin; keep the rest of its configuration."""

from __future__ import annotations

import argparse

from hermes_router.cli import parser as commands
from hermes_router.cli import status
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.homes import (
    GatewayHome,
    gateway_home,
    hermes_installed,
    wrong_interpreter,
)
from hermes_router.cli.setup.one_editor import one_editor
from hermes_router.cli.setup.parking import park
from hermes_router.cli.setup.plugin_edit import switched_on
from hermes_router.cli.setup.plugin_names import PLUGIN, edit, plugin_lists
from hermes_router.cli.terminal.output import say, tip

_EPILOG = """\
It edits config.yaml as `hermes plugins enable hermes-router` does, with every version of Hermes:
the plugin's name goes into plugins.enabled, and out of plugins.disabled. The file keeps its
comments, its order and its mode; a second call changes nothing. If the edit is not safe, it writes
nothing and prints what you have to write. It parks routed profiles that have no bot of their own
(Hermes's own marker): a gateway without the router does not serve them. Run it again after you have
added a route to another profile.

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
    with one_editor(home.path):
        switch_on(home)
    config, _ = loading.read(home.config, None)
    if config is not None and not config.table.routes:
        tip(f"add routes: {home.router('route add PLACE PROFILE')}; then: {home.restart}")
    else:
        tip(f"a gateway loads plugins when it starts: {home.restart}")
    return status.OK


def switch_on(home: GatewayHome) -> None:
    """Have Hermes load the plugin, as the configuration says, and park the routed profiles.

    As with `hermes plugins enable`, the plugin's name goes into ``plugins.enabled``, and out of
    ``plugins.disabled``, which counts more.

    Raises:
        CommandError: the file cannot be edited.
    """
    file = home.config
    enabled, disabled = plugin_lists(file)
    if PLUGIN in enabled and PLUGIN not in disabled:
        say(f"{PLUGIN} is already enabled in {file}")
    else:
        edit(file, switched_on)
        removed = " (and removed it from plugins.disabled)" if PLUGIN in disabled else ""
        say(f"enabled {PLUGIN} in {file}{removed}")
    _park(home)


def _park(home: GatewayHome) -> None:
    """Have Hermes not serve the routed profiles: without the router, nobody answers for them."""
    config, _ = loading.read(home.config, home)
    parked = list(park(home, config)) if config else []
    if parked:
        say(
            f"parked for Hermes's own gateway: {', '.join(parked)}; a gateway without the router "
            "does not serve them"
        )
