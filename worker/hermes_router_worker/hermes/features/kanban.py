"""The kanban board as a worker uses it: under its own profile's name, or not at all.

If a sandbox does not show the board, a program that wants it gets an error that names the setting.
Without this, a card would meet a folder that cannot be written, and people would get a system
error.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from hermes_router_worker.hermes.on_import import once_imported

#: Tells the processes of a worker that the sandbox does not show the board; its value is the
#: profile.
VARIABLE = "HERMES_ROUTER_NO_BOARD"

#: Functions of Hermes that open the board, or write into its folder without opening it.
_OPENING = (
    *("connect", "init_db", "create_board", "remove_board"),
    *("set_current_board", "clear_current_board"),
)

#: Their modules: on 0.19 and 0.20 the first, later the others, by the module that calls them.
_MODULES = (
    "hermes_cli.kanban_db",
    "hermes_cli.kanban_db_boards",
    "hermes_cli.kanban_db_connect",
)

#: Modules that write subscriptions: on 0.19 and 0.20 the first, later the second.
_SUBSCRIBING = ("hermes_cli.kanban_db", "hermes_cli.kanban_db_notify")


def hide(profile: str) -> None:
    """Have Hermes's functions that open the kanban board raise ``PermissionError``.

    The error's text names the setting that shows the board. A worker calls this at its start if its
    sandbox hides the board. It holds in this process, and in each ``hermes`` that it or its
    children start.
    """
    os.environ[VARIABLE] = profile
    hide_if_told()


def hide_if_told() -> None:
    """Do as :func:`hide` if the worker that started this process has called it.

    A ``hermes`` command below a worker calls this. The environment variable :data:`VARIABLE` says
    so.
    """
    profile = os.environ.get(VARIABLE)
    if profile:
        for name in _MODULES:
            once_imported(name, functools.partial(_refuse, profile))


def sign(profile: str) -> None:
    """Have this process subscribe to cards only in the name of its own profile.

    A worker, and a ``hermes`` command below it, call it at their start. By that name, the gateway
    decides whether it may send a card's notices to the place.
    """
    for name in _SUBSCRIBING:
        once_imported(name, functools.partial(_sign, profile))


def _sign(profile: str, module: Any) -> None:
    subscribe = getattr(module, "add_notify_sub", None)
    if subscribe is None or "notifier_profile" not in (subscribe.__kwdefaults__ or {}):
        return  # an older Hermes notes no owner; or this function is replaced already

    def signed(*args: Any, notifier_profile: str | None = None, **kwargs: Any) -> Any:
        return subscribe(*args, notifier_profile=profile, **kwargs)

    module.add_notify_sub = signed


def _refuse(profile: str, module: Any) -> None:
    def refused(*_args: Any, **_kwargs: Any) -> Any:
        raise PermissionError(
            "the sandbox of this profile does not show the kanban board; the gateway's operator "
            f"can share it: hermes_router.profiles.{profile}.share: [kanban]"
        )

    for name in _OPENING:
        if hasattr(module, name):
            setattr(module, name, refused)
