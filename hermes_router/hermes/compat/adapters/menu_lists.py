"""Where this Hermes lists the commands of a platform's menu."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

_MODULES = ("hermes_cli.commands_platforms", "hermes_cli.commands")


def menu_function(name: str) -> Callable[..., Any] | None:
    """Return a function of Hermes that lists a menu, or None: this Hermes has none."""
    for module in _MODULES:
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ImportError:  # an older Hermes
            continue
        if callable(found):
            return found  # type: ignore[no-any-return]
    return None
