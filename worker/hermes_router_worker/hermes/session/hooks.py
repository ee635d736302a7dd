"""Add a function of ours to the callbacks of Hermes's plugin hooks."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def add(name: str, callback: Callable[..., Any]) -> None:
    """Have a hook call ``callback`` too; do nothing if this Hermes keeps its hooks elsewhere."""
    manager = importlib.import_module("hermes_cli.plugins").get_plugin_manager()
    hooks = getattr(manager, "_hooks", None)
    if hooks is not None:
        hooks.setdefault(name, []).append(callback)
