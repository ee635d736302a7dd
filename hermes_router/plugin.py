"""The Hermes plugin: swaps the gateway's dispatcher as soon as there is a gateway to swap it in.

Two things stand between a routed place and the default profile's answer: the swap itself, and a
hook of Hermes that is asked about every message that reaches Hermes's own path.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from types import ModuleType
from typing import Any

logger = logging.getLogger(__name__)

_GATEWAY_MODULE = "gateway.run"
_HOOK = "pre_gateway_dispatch"


def register(context: Any) -> None:
    """Install the swap; Hermes calls this once per discovery, for each profile that it serves.

    In a worker nothing is installed: a worker that routed would start workers. The guard comes
    first: it holds whatever fails after it.
    """
    if _in_worker():
        return
    _guard(context)
    try:
        _await_gateway()
    except Exception:
        logger.exception("hermes-router: cannot be loaded: routed places are not answered")
    add_command = getattr(context, "register_cli_command", None)
    if add_command is not None:
        add_command(
            name="router",
            help="Routes of this gateway: hermes-router's own commands",
            setup_fn=_describe_command,
            handler_fn=_run_command,
            description="What `hermes-router` does, inside `hermes`.",
        )


def _in_worker() -> bool:
    try:
        from hermes_router.profiles.model import WORKER_VARIABLE
    except Exception:
        logger.exception("hermes-router: cannot be loaded")
        return False
    return bool(os.environ.get(WORKER_VARIABLE))


def _guard(context: Any) -> None:
    """Have Hermes ask about messages that reach its own path: the swap may be late or absent."""
    add_hook = getattr(context, "register_hook", None)
    if add_hook is None:
        logger.error("hermes-router: this Hermes has no hooks: a late swap would not be noticed")
        return
    add_hook(_HOOK, _before_dispatch)


def _before_dispatch(**payload: Any) -> Any:
    """Take or refuse a routed message that Hermes is about to answer itself."""
    try:
        from hermes_router.hermes.guard import guard
    except Exception:
        logger.exception("hermes-router: cannot be loaded: no message is answered until it can")
        return {"action": "skip", "reason": "hermes-router cannot be loaded"}
    return guard(payload.get("event"), payload.get("gateway"))


def _await_gateway() -> None:
    from hermes_router.hermes.compat.gateway_module import when_imported

    if _GATEWAY_MODULE in sys.modules:
        _prepare()
    when_imported(_GATEWAY_MODULE, _install)


def _prepare() -> None:
    """Import what the swap needs, so that it is done at once when the gateway's module is there."""
    try:
        importlib.import_module("hermes_router.hermes.install")
    except Exception:
        logger.exception("hermes-router: cannot be loaded: routed places are not answered")


def _install(module: ModuleType) -> None:
    """Install the swap; a failure closes routed places, and never ends the gateway."""
    try:
        from hermes_router.hermes import install

        install.install(module)
    except Exception:
        logger.exception(
            "hermes-router: the dispatcher could not be swapped: routed places are not answered"
        )


def _describe_command(parser: Any) -> None:
    from hermes_router.cli import parser as commands

    commands.add_to_hermes(parser)


def _run_command(options: Any) -> None:
    from hermes_router.cli import entry

    entry.run_in_hermes(options)
