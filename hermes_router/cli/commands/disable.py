"""``hermes-router disable``: undo everything that ``enable`` and the router did."""

from __future__ import annotations

import argparse
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from hermes_router.base import scratch
from hermes_router.cli import parser as commands
from hermes_router.cli import status
from hermes_router.cli.crash import state_folder
from hermes_router.cli.inspect import loading
from hermes_router.cli.inspect.homes import (
    GatewayHome,
    gateway_home,
    hermes_installed,
    running_gateway,
)
from hermes_router.cli.inspect.layouts import found, here
from hermes_router.cli.setup import menus
from hermes_router.cli.setup.one_editor import one_editor
from hermes_router.cli.setup.parking import unpark
from hermes_router.cli.setup.plugin_edit import without_plugin
from hermes_router.cli.setup.plugin_names import PLUGIN, edit, plugin_lists
from hermes_router.cli.status import CommandError
from hermes_router.cli.terminal.output import counted, say, tip
from hermes_router.profiles import model
from hermes_router.workers.worker_log import FILE_NAME

_EPILOG = """\
It removes the plugin's name from plugins.enabled, the markers that `enable` wrote into profiles,
and the command menus that the router set in routed chats. With --purge it also removes the files
of the router: its folder in each home, its worker logs, its crash reports, and what gateways that
have ended left in the temporary folder. Your routes and the block `hermes_router` stay in
config.yaml. Decide who answers before you restart the gateway: Hermes itself answers by its own
routes, and the default profile answers where only the router had a route.

examples:
  hermes-router disable
  hermes-router disable --purge

exit status: 0 it is disabled, 1 it could not be disabled, 2 an error in the command line or in
config.yaml
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.epilog = _EPILOG
    parser.add_argument(
        "--purge", action="store_true", help="remove the router's files and logs, too"
    )
    commands.add_home_option(parser)


def run(options: argparse.Namespace) -> int:
    """Disable the plugin; return the exit status."""
    home = gateway_home(options.home)
    pid = running_gateway(home.path)
    if options.purge and loading.recorded(home, pid) is not None:
        raise CommandError(
            "the running gateway still uses the files that --purge removes",
            where=f"process {pid}",
            hint=_how_to_let_go(home),
        )
    with one_editor(home.path):
        _disable(home)
        for name in unpark(home.root):
            say(f"profile {name}: no longer parked")
    for line in menus.forget(home):
        say(line)
    if options.purge:
        for path in router_files(home):
            _remove(path)
            say(f"removed {path}")
        _remove_temporary(home)
    if pid is not None:
        tip(f"the running gateway does not change until you restart it: {home.restart}")
    elif options.purge:
        tip(f"to remove the code: {_uninstall(home)}")
    return status.OK


def _how_to_let_go(home: GatewayHome) -> str:
    """Return what makes a running gateway let go of the router's files."""
    if found().kind == "managed":  # there this command goes with the plugin
        return f"{home.hermes('gateway stop')}; then run this again"
    return f"{home.router('disable')}; {home.restart}; then run this again"


def _disable(home: GatewayHome) -> None:
    enabled, _ = plugin_lists(home.config)
    if PLUGIN not in enabled:
        say(f"{PLUGIN} is not enabled in {home.config}")
        return
    edit(home.config, without_plugin)
    say(f"disabled {PLUGIN} in {home.config}")


def router_files(home: GatewayHome) -> Iterator[Path]:
    """Yield the files and folders that the router keeps outside its own code, if they exist.

    ``disable --purge`` removes them.
    """
    homes = [home.root, *sorted((home.root / "profiles").glob("*"))]
    for folder in homes:
        if (folder / "hermes-router").is_dir():
            yield folder / "hermes-router"
        yield from sorted((folder / "logs").glob(f"{FILE_NAME}*"))
    if state_folder().is_dir():
        yield state_folder()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _remove_temporary(home: GatewayHome) -> None:
    """Remove the lock files and folders that ended gateways left in the temporary folders."""
    folders = {*model.temporary_folders(model.initial_environment(home.path)), None}
    if count := sum(scratch.remove_left_behind(folder) for folder in folders):
        say(f"removed {counted(count, 'temporary folder')} of earlier gateways")


def _uninstall(home: GatewayHome) -> str:
    layout = found()
    if layout.kind == "managed":
        return home.hermes(f"plugins remove {PLUGIN}")
    if layout.python is None and hermes_installed():  # no `hermes` on PATH: it is this one
        layout = here()
    python = shlex.quote(str(layout.python)) if layout.python else "PYTHON_OF_HERMES"
    pip = f"uv pip uninstall --python {python}"
    if layout.kind != "uv":
        pip = f"{python} -m pip uninstall"
    return f"{pip} hermes-profile-router"
