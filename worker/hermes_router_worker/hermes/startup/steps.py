"""Steps of Hermes's own start that need no session: plugins, hooks, webhooks, MCP servers.

:mod:`hermes_router_worker.startup.steps` calls them in order.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, cast

from hermes_router_worker.hermes import replacements

MCP_WAIT_SECONDS = 10.0
"""Seconds that a start waits for MCP servers; a slow server registers its tools later."""

_log = logging.getLogger(__name__)


def defer_upkeep() -> None:
    """Keep housekeeping out of the runner's constructor: the scheduled maintenance does it.

    With ``sessions.auto_prune`` or ``checkpoints.auto_prune`` on, Hermes prunes and vacuums once a
    day while it constructs a runner. In a worker, that would delay a turn, lock the database for
    other workers, and run in several workers at once. Call this before ``GatewayRunner`` is
    constructed.
    """

    def skip(*_args: Any, **_kwargs: Any) -> dict[str, Any]:
        return {"skipped": True, "pruned": 0, "vacuumed": False}

    replacements.PRUNE_DATABASE.replace(lambda _: skip)
    replacements.PRUNE_CHECKPOINTS.replace(lambda _: skip)


def catch_up_upkeep(runner: Any) -> None:
    """Do the housekeeping that :func:`defer_upkeep` kept out of the constructor; blocks.

    The maintenance of the home calls it. It constructs a second runner, because Hermes's
    constructor checks whether housekeeping is due, and remembers when it was last done.
    """
    replacements.PRUNE_DATABASE.restore()
    replacements.PRUNE_CHECKPOINTS.restore()
    second = type(runner)(runner.config)
    for database in (second._session_db, getattr(second.session_store, "_db", None)):
        close = getattr(getattr(database, "_db", database), "close", None)
        if close is not None:
            close()


def record_code_version() -> None:
    """Remember the checkout's revision, so that ``/model`` notices when the code has changed."""
    from gateway.code_skew import record_boot_fingerprint

    record_boot_fingerprint()


def discover_plugins() -> None:
    """Load the profile's plugins: before shell hooks, so that a plugin's veto comes first."""
    from hermes_cli.plugins import discover_plugins as discover

    discover()


def register_shell_hooks() -> None:
    """Register the shell hooks of the profile's configuration: they may deny what an agent does."""
    from agent.shell_hooks import register_from_config
    from hermes_cli.config import load_config

    register_from_config(load_config(), accept_hooks=False)


def register_webhooks() -> None:
    """Register the webhooks of the profile's ``hooks`` that report events (since 0.21)."""
    try:
        from agent.outbound_webhooks import register_from_config
    except ImportError:
        return
    from hermes_cli.config import load_config

    register_from_config(load_config())


def load_event_hooks(runner: Any) -> None:
    """Load the hooks in the home's folder ``hooks`` into the runner, unless some are loaded."""
    if not runner.hooks.loaded_hooks:
        runner.hooks.discover_and_load()


def discover_mcp(runner: Any, wait: float = MCP_WAIT_SECONDS) -> bool:
    """Connect the profile's MCP servers; return True if that ended within ``wait`` seconds.

    Hermes does this in an executor and waits up to two minutes, once per gateway start. A worker
    does it for each turn, so it does not wait for a slow server: the thread continues, and the
    tools appear when the server answers. Without a configured server, no thread is started.
    """
    from hermes_cli.config import load_config

    if not load_config().get("mcp_servers"):
        return True
    discover_mcp_tools = _mcp_discovery()

    thread = threading.Thread(
        target=attempt,
        args=("discover_mcp_tools", discover_mcp_tools),
        name="mcp-discovery",
        daemon=True,
    )
    thread.start()
    thread.join(wait)
    return not thread.is_alive()


def _mcp_discovery() -> Callable[..., Any]:
    """Return the function from the module that defines it: ``tools.mcp_tool`` before 0.21.3."""
    try:
        from tools.mcp_tool_discovery import discover_mcp_tools
    except ImportError:
        from tools.mcp_tool import discover_mcp_tools
    return cast("Callable[..., Any]", discover_mcp_tools)


def attempt(name: str, step: Callable[..., Any], *args: Any) -> None:
    """Run one step with these arguments as Hermes runs it: an error is only logged."""
    try:
        step(*args)
    except Exception:  # noqa: BLE001 - boundary: plugins, hooks and servers may raise anything
        _log.warning("start-up step %s failed", name, exc_info=True)
