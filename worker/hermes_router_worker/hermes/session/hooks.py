"""Add a function of ours to the callbacks of Hermes's plugin hooks."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def add(name: str, callback: Callable[..., Any]) -> None:
    """Have Hermes call ``callback`` for its plugin hook ``name``, besides the profile's own hooks.

    It is registered as a hook of a plugin with a name of our own, and stays until the process ends.
    """
    plugins: Any = importlib.import_module("hermes_cli.plugins")
    plugin = plugins.PluginManifest(name="hermes-router-worker")
    plugins.PluginContext(plugin, plugins.get_plugin_manager()).register_hook(name, callback)
