"""Import Hermes's command line into this process, and make a gateway's runner."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from typing import Any

from hermes_router_worker.hermes.startup import speedups

_WATCHDOG = "HERMES_STARTUP_WATCHDOG"


def command_line() -> Any:
    """Import Hermes's command line and return it; the import sets up the home by ``sys.argv``."""
    return importlib.import_module("hermes_cli.main")


def become_gateway() -> None:
    """Import Hermes's command line and gateway, which set up the profile that ``sys.argv`` names.

    The watchdog that ends a slow gateway's start stays off in this process. Dangerous commands need
    a person's approval from now on, as in a gateway.
    """
    with _without_watchdog():
        main = command_line()
        speedups.copy_config_fast()
        importlib.import_module("gateway.run")
    # Since 0.20 a gateway's start sets this, not the import: dangerous commands need a person.
    os.environ["HERMES_EXEC_ASK"] = "1"
    getattr(main, "_advertise_agent_env", lambda: None)()


@contextlib.contextmanager
def _without_watchdog() -> Iterator[None]:
    """Keep Hermes from arming the watchdog of a gateway's start while it is imported.

    The watchdog ends a process after five minutes, unless a gateway has started in it. A worker may
    wait longer, and never starts a gateway. A process that a tool starts is watched again.
    """
    before = os.environ.get(_WATCHDOG)
    os.environ[_WATCHDOG] = "0"
    try:
        yield
    finally:
        del os.environ[_WATCHDOG]
        if before is not None:
            os.environ[_WATCHDOG] = before


def headless_runner() -> Any:
    """Return a ``GatewayRunner`` of the profile, without the parts that must not act in a worker.

    The platforms belong to the gateway, and so do routes and multiplexing. A profile may configure
    them for a gateway of its own, but a worker must not act on them.
    """
    config = gateway_config()
    config.multiplex_profiles = False
    config.profile_routes = []
    for platform in config.platforms.values():
        platform.enabled = False
    return runner_of(config)


def gateway_config() -> Any:
    """Return the profile's configuration as a gateway loads it."""
    return importlib.import_module("gateway.config").load_gateway_config()


def loop_exception_handler() -> Any:
    """Return Hermes's handler for errors in the event loop that no caller gets, or None."""
    return getattr(importlib.import_module("gateway.run"), "_gateway_loop_exception_handler", None)


def runner_of(config: Any) -> Any:
    """Return a new ``GatewayRunner`` with a configuration; it is not started.

    To make one opens the profile's database.
    """
    return importlib.import_module("gateway.run").GatewayRunner(config)
