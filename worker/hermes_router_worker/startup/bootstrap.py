"""Set this process up for the profile: the first steps of ``hermes -p <profile> gateway run``.

Nothing of Hermes may be imported before :func:`become_profile`: dozens of its modules read the
Hermes home only once, when they are imported.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hermes_router.protocol.system.quick_yaml import read_yaml_quickly
from hermes_router.protocol.system.versions import hermes_version, router_version
from hermes_router_worker.hermes import guards as safety
from hermes_router_worker.hermes.features import logins
from hermes_router_worker.hermes.startup import program
from hermes_router_worker.hermes.startup.steps import defer_upkeep
from hermes_router_worker.home import guards
from hermes_router_worker.startup import steps


def versions() -> tuple[str, str]:
    """Return the versions of the router and of Hermes; the latter may be ``unknown``.

    A worker tells them to the gateway in its first message.
    """
    return router_version(), hermes_version() or "unknown"


def become_profile(profile: str, *, share_auth: bool) -> None:
    """Run Hermes's own bootstrap for ``profile``: home, ``.env``, logging, config bridging.

    A worker that starts cold and a template call it first, and once: it imports Hermes. With
    ``share_auth``, the profile may use the logins of Hermes's root home if it has none of its own.

    Raises:
        SystemExit: Hermes refused the profile; the reason is in the worker log.
    """
    sys.argv = ["hermes", "-p", profile, "gateway", "run"]
    read_yaml_quickly()
    safety.install()
    program.become_gateway()
    guards.silence_gateway_status()
    _enter_workspace(Path(os.environ["HERMES_HOME"]))
    if not share_auth:
        logins.keep_own(profile)


def build_runner(*, mcp: bool = True) -> Any:
    """Return a ``GatewayRunner`` of the profile, without platforms, that has no session yet.

    Without ``mcp``, the profile's MCP servers are not started: ``discover_mcp`` does it later, when
    the worker has its work.

    Raises:
        MissingPoint: this Hermes lacks something that keeps workers of one home apart.
    """
    defer_upkeep()
    runner = program.headless_runner()
    guards.install(runner)
    steps.prepare(runner, mcp=mcp)
    return runner


def _enter_workspace(home: Path) -> None:
    """Change to the profile's working directory, also for its tools.

    That is ``terminal.cwd`` if the profile sets it. Without it, Hermes would use HOME, which in a
    worker is the profile's tool home; the user means the profile's workspace.
    """
    local = os.environ.get("TERMINAL_ENV", "local").strip().lower() in {"", "local"}
    if local and os.environ.get("TERMINAL_CWD", "") in {"", str(Path.home())}:
        os.environ["TERMINAL_CWD"] = str(home / "workspace")
    cwd = os.environ.get("TERMINAL_CWD", "")
    if cwd and Path(cwd).is_dir():
        os.chdir(cwd)
