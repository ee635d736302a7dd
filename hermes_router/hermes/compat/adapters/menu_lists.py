"""Where this Hermes lists the commands of a platform's menu, and in which forums it has set one."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable
from typing import Any

logger = logging.getLogger(__name__)

_MODULES = ("hermes_cli.commands_platforms", "hermes_cli.commands")


def telegram_client(adapter: Any) -> Any:
    """Return the client by which Telegram's adapter calls the Bot API, or None."""
    return getattr(adapter, "_bot", None)


def forget_forum(adapter: Any, chat: int) -> None:
    """Have Telegram's adapter set its own menu in this forum again, at the next message there.

    The router calls this when it has removed its own menu from a forum.
    """
    getattr(adapter, "_forum_command_registered", set()).discard(chat)


def keep_forums(adapter: Any, ours: Callable[[str], bool]) -> None:
    """Have Telegram's adapter set no menu of its own in the forums for which ``ours`` is True.

    ``ours`` gets a chat's id. The adapter sets its menu in each forum once. It gets a set of done
    forums that contains those, too. An adapter without such a set is an error in the log.
    """
    done = getattr(adapter, "_forum_command_registered", None)
    if isinstance(done, set):
        adapter._forum_command_registered = _Forums(done, ours)
    else:
        logger.error(
            "hermes-router: this Hermes's Telegram adapter keeps no set of forums: it may replace "
            "the menu of a routed forum by the gateway's. Install a Hermes version that "
            "hermes-router supports."
        )


class _Forums(set[int]):
    """The forums in which an adapter has set its menu; those in which the router has one count."""

    def __init__(self, done: Iterable[int], ours: Callable[[str], bool]) -> None:
        super().__init__(done)
        self._ours = ours

    def __contains__(self, chat: object) -> bool:
        """Return True if the adapter has set its menu there, or must not set it."""
        return super().__contains__(chat) or self._ours(str(chat))


def menu_function(name: str) -> Callable[..., Any] | None:
    """Return a function of Hermes that lists a menu, by its name; None if this Hermes has none."""
    for module in _MODULES:
        try:
            found = getattr(importlib.import_module(module), name, None)
        except ImportError:  # an older Hermes
            continue
        if callable(found):
            return found  # type: ignore[no-any-return]
    return None
