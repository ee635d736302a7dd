"""Becoming the profile: the same first steps as ``hermes -p <profile> gateway run``.

Nothing of Hermes may be imported before :func:`become_profile`: dozens of its modules freeze the
Hermes home when they are imported.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hermes_router.protocol.system.quick_yaml import read_yaml_quickly
from hermes_router.protocol.system.versions import hermes_version, router_version
from hermes_router_worker.hermes import guards as safety
from hermes_router_worker.hermes.features import logins
from hermes_router_worker.home import guards
from hermes_router_worker.startup import speedups, steps

_WATCHDOG = "HERMES_STARTUP_WATCHDOG"


def versions() -> tuple[str, str]:
    """Return the versions of the router and of Hermes."""
    return router_version(), hermes_version() or "unknown"


def become_profile(profile: str, *, share_auth: bool) -> None:
    """Run Hermes's own bootstrap for ``profile``: home, ``.env``, logging, config bridging.

    With ``share_auth`` it may use the logins of Hermes's root home where it has none of its own.

    Raises:
        SystemExit: Hermes refused the profile; the reason is in the worker log.
    """
    sys.argv = ["hermes", "-p", profile, "gateway", "run"]
    read_yaml_quickly()
    safety.install()
    with _without_watchdog():
        main = importlib.import_module("hermes_cli.main")
        speedups.copy_config_fast()
        importlib.import_module("gateway.run")
    # A gateway's start says so from 0.20 on, not the import: dangerous commands need a person.
    os.environ["HERMES_EXEC_ASK"] = "1"
    getattr(main, "_advertise_agent_env", lambda: None)()
    guards.silence_gateway_status()
    _enter_workspace(Path(os.environ["HERMES_HOME"]))
    if not share_auth:
        logins.keep_own(profile)


@contextlib.contextmanager
def _without_watchdog() -> Iterator[None]:
    """Keep Hermes from arming the watchdog of a gateway's start while it is imported.

    It would end the process after five minutes without work, unless a gateway has started in it.
    A worker may wait for longer, and never starts a gateway. What a tool starts is watched again.
    """
    before = os.environ.get(_WATCHDOG)
    os.environ[_WATCHDOG] = "0"
    try:
        yield
    finally:
        del os.environ[_WATCHDOG]
        if before is not None:
            os.environ[_WATCHDOG] = before


def build_runner(*, mcp: bool = True) -> Any:
    """Return a headless ``GatewayRunner`` of the profile that belongs to no session yet.

    Without ``mcp`` its MCP servers are not started: :func:`.startup.discover_mcp` does it later.
    """
    from gateway.run import GatewayRunner

    steps.defer_upkeep()
    runner = GatewayRunner(_headless_config())
    guards.install(runner)
    steps.prepare(runner, mcp=mcp)
    return runner


def _enter_workspace(home: Path) -> None:
    """Make the profile's working directory this process's, and its tools'.

    That is ``terminal.cwd`` where the profile sets one. Otherwise Hermes falls back to HOME, which
    for a worker is the profile's tool home; its workspace is what the user means.
    """
    local = os.environ.get("TERMINAL_ENV", "local").strip().lower() in {"", "local"}
    if local and os.environ.get("TERMINAL_CWD", "") in {"", str(Path.home())}:
        os.environ["TERMINAL_CWD"] = str(home / "workspace")
    cwd = os.environ.get("TERMINAL_CWD", "")
    if cwd and Path(cwd).is_dir():
        os.chdir(cwd)


def _headless_config() -> Any:
    """Return the profile's gateway configuration, with what must not act in a worker taken out.

    The platforms belong to the gateway, and so do routes and multiplexing: a profile may configure
    them for a gateway of its own, a worker of it must not act on them.
    """
    from gateway.config import load_gateway_config

    config = load_gateway_config()
    config.multiplex_profiles = False
    config.profile_routes = []
    for platform in config.platforms.values():
        platform.enabled = False
    return config
