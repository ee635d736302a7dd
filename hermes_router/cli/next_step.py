"""Suggest the next command to somebody who types only ``hermes-router``."""

from __future__ import annotations

from hermes_router.base.errors import ConfigError
from hermes_router.cli.inspect import loading
from hermes_router.cli.setup.plugin_names import PLUGIN, plugin_lists
from hermes_router.cli.status import CommandError


def next_step() -> str:
    """Return the command that this person should run next, and in brackets the reason."""
    try:
        loaded = loading.load(None)
    except CommandError:
        return "hermes-router doctor  (there is no Hermes home yet)"
    home = loaded.home
    if loaded.config is None:
        return f"{home.router('routes')}  (the configuration has an error)"
    if not _is_enabled(loaded):
        return f"{home.router('enable')}  (the plugin is not enabled)"
    if not len(loaded.config.table):
        return f"{home.router('init')}  (no place has a route yet)"
    if loaded.gateway is None:
        return f"{home.hermes('gateway run')}  (no gateway is running)"
    return f"{home.router('status')}  (a gateway is running)"


def _is_enabled(loaded: loading.Loaded) -> bool:
    """Say whether the plugin is enabled; a file that is missing enables nothing."""
    try:
        enabled, _ = plugin_lists(loaded.file)
    except ConfigError:
        return False
    return PLUGIN in enabled
