"""Where this Hermes lists the commands of a platform's menu."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

_MODULES = ("hermes_cli.commands_platforms", "hermes_cli.commands")


def telegram_client(adapter: Any) -> Any:
    """Return the client by which Telegram's adapter calls the Bot API, or None."""
    return getattr(adapter, "_bot", None)


def forget_forum(adapter: Any, chat: int) -> None:
    """Have Telegram's adapter set its own menu in this forum again, at the next message there."""
    getattr(adapter, "_forum_command_registered", set()).discard(chat)


def menu_function(name: str) -> Callable[..., Any] | None:
    """Return a function of Hermes that lists a menu; None if this Hermes has none."""
    for module in _MODULES:
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ImportError:  # an older Hermes
            continue
        if callable(found):
            return found  # type: ignore[no-any-return]
    return None
