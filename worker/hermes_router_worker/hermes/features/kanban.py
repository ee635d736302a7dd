"""The kanban board as a worker uses it: under its own profile's name, or not at all.

Where a sandbox does not show the board, who asks for it is told which setting does: without this a
card would meet a folder that cannot be written, and people an error of the system.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from hermes_router_worker.hermes.on_import import once_imported

#: Tells the processes of a worker, by the profile's name, that its sandbox does not show the board.
VARIABLE = "HERMES_ROUTER_NO_BOARD"

#: Functions of Hermes that open the board, or write to its folder without that.
_OPENING = (
    *("connect", "init_db", "create_board", "remove_board"),
    *("set_current_board", "clear_current_board"),
)

#: Where they lie: on 0.19 and 0.20 in the first, later in the others, by module that calls them.
_MODULES = (
    "hermes_cli.kanban_db",
    "hermes_cli.kanban_db_boards",
    "hermes_cli.kanban_db_connect",
)

#: Where subscriptions are written: on 0.19 and 0.20 in the first, later in the second.
_SUBSCRIBING = ("hermes_cli.kanban_db", "hermes_cli.kanban_db_notify")


def hide(profile: str) -> None:
    """Refuse the board in this process and in those that it starts."""
    os.environ[VARIABLE] = profile
    follow()


def follow() -> None:
    """Refuse the board if the worker that started this process has to."""
    profile = os.environ.get(VARIABLE)
    if profile:
        for name in _MODULES:
            once_imported(name, functools.partial(_refuse, profile))


def sign(profile: str) -> None:
    """Have this process subscribe to cards in the name of its own profile, whatever it is told.

    By that name the gateway decides whether the place may be told, as of anything that is sent.
    """
    for name in _SUBSCRIBING:
        once_imported(name, functools.partial(_sign, profile))


def _sign(profile: str, module: Any) -> None:
    subscribe = getattr(module, "add_notify_sub", None)
    if subscribe is None or "notifier_profile" not in (subscribe.__kwdefaults__ or {}):
        return  # an older Hermes notes no owner, or this was done before

    def signed(*args: Any, notifier_profile: str | None = None, **kwargs: Any) -> Any:
        return subscribe(*args, notifier_profile=profile, **kwargs)

    module.add_notify_sub = signed


def _refuse(profile: str, module: Any) -> None:
    def refused(*_args: Any, **_kwargs: Any) -> Any:
        raise PermissionError(
            "the sandbox of this profile does not show the kanban board; who runs the gateway can "
            f"share it: hermes_router.profiles.{profile}.share: [kanban]"
        )

    for name in _OPENING:
        if hasattr(module, name):
            setattr(module, name, refused)
