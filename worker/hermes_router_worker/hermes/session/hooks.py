"""Add a function of ours to the callbacks of Hermes's plugin hooks."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def add(name: str, callback: Callable[..., Any]) -> None:
    """Have a hook call ``callback`` too, as a hook of a plugin with a name of our own."""
    plugins: Any = importlib.import_module("hermes_cli.plugins")
    plugin = plugins.PluginManifest(name="hermes-router-worker")
    plugins.PluginContext(plugin, plugins.get_plugin_manager()).register_hook(name, callback)
