"""The Hermes plugin: it replaces the gateway's dispatcher as soon as the gateway's module exists.

Two things keep the default profile from answering in a routed place. The first is the replaced
dispatcher (the *swap*). The second is a Hermes hook, the *guard*: Hermes asks it about every
message that reaches Hermes's own path.
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
    """Install the swap and the guard; Hermes calls this once per discovery of plugins.

    Hermes discovers plugins for each profile that it serves. In a worker this does nothing: a
    worker that routed messages would start further workers. The guard is installed first: it works
    even if a later step fails.
    """
    if _in_worker():
        return
    _guard(context)
    try:
        _await_gateway()
    except Exception:
        logger.exception(
            "hermes-router: the plugin could not be loaded: routed places are not answered"
        )
    add_command = getattr(context, "register_cli_command", None)
    if add_command is not None:
        add_command(
            name="router",
            help="Routes of this gateway: hermes-router's own commands",
            setup_fn=_describe_command,
            handler_fn=_run_command,
            description="The commands of `hermes-router`, inside `hermes`.",
        )


def _in_worker() -> bool:
    try:
        from hermes_router.protocol.system.start import WORKER_VARIABLE
    except Exception:
        logger.exception("hermes-router: the plugin could not be loaded")
        return False
    return bool(os.environ.get(WORKER_VARIABLE))


def _guard(context: Any) -> None:
    """Make Hermes ask us about each message on its own path, as the swap may be late or fail."""
    add_hook = getattr(context, "register_hook", None)
    if add_hook is None:
        logger.error(
            "hermes-router: this Hermes has no hooks, so the router cannot check that "
            "it gets every message"
        )
        return
    add_hook(_HOOK, _before_dispatch)


def _before_dispatch(**payload: Any) -> Any:
    """Take or refuse a routed message that Hermes is about to answer itself."""
    try:
        from hermes_router.hermes.guard import guard
    except Exception:
        logger.exception("hermes-router: the plugin could not be loaded: no message is answered")
        return {"action": "skip", "reason": "hermes-router cannot be loaded"}
    return guard(payload.get("event"), payload.get("gateway"))


def _await_gateway() -> None:
    from hermes_router.hermes.compat.gateway_module import when_imported

    if _GATEWAY_MODULE in sys.modules:
        _prepare()
    when_imported(_GATEWAY_MODULE, _install)


def _prepare() -> None:
    """Import the modules of the swap early, so that the swap itself takes no time."""
    try:
        importlib.import_module("hermes_router.hermes.install")
    except Exception:
        logger.exception(
            "hermes-router: the plugin could not be loaded: routed places are not answered"
        )


def _install(module: ModuleType) -> None:
    """Install the swap. If this fails, routed places get no answer; the gateway goes on."""
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
