"""The worker's start-up steps that need no session: they may happen long before a message.

A worker builds a ``GatewayRunner`` but never runs ``start_gateway()`` or ``GatewayRunner.start()``:
those take locks, connect platforms and own the home. Yet a turn must find what they set up. Here is
what comes before the session is known, in the order of :func:`prepare`; what needs the session and
the running loop is in :mod:`.wiring`. :mod:`.startup_table` says of every step of Hermes where ours
happens, and why.

Nothing here loads the session store: a store that is loaded before its message writes old rows.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from typing import Any, cast

from hermes_router_worker.hermes import replacements
from hermes_router_worker.home.bundled_skills import sync_skills_once

MCP_WAIT_SECONDS = 10.0
"""How long :func:`prepare` waits for MCP servers; a slow one registers its tools later."""

_log = logging.getLogger(__name__)


def defer_upkeep() -> None:
    """Keep housekeeping out of the runner's constructor: it belongs to scheduled upkeep.

    With ``sessions.auto_prune`` or ``checkpoints.auto_prune`` on, Hermes prunes and vacuums while
    it constructs a runner, once a day. In a worker that would delay a turn, lock the database for
    the siblings, and be done by several at once. Call it before ``GatewayRunner`` is constructed.
    """

    def skip(*_args: Any, **_kwargs: Any) -> dict[str, Any]:
        return {"skipped": True, "pruned": 0, "vacuumed": False}

    replacements.PRUNE_DATABASE.replace(lambda _: skip)
    replacements.PRUNE_CHECKPOINTS.replace(lambda _: skip)


def catch_up_upkeep(runner: Any) -> None:
    """Do what :func:`defer_upkeep` has kept out of the constructor: construct a second runner.

    Hermes reads there whether it is to be done, and remembers when it was done last.
    """
    replacements.PRUNE_DATABASE.restore()
    replacements.PRUNE_CHECKPOINTS.restore()
    second = type(runner)(runner.config)
    for database in (second._session_db, getattr(second.session_store, "_db", None)):
        close = getattr(getattr(database, "_db", database), "close", None)
        if close is not None:
            close()


def set_up_logging() -> None:
    """Write agent.log, errors.log and gateway.log of this home, as its gateway does.

    The command line has set up logging already, in another mode; the call is idempotent. It starts
    a listener thread: a process that forks later must stop that before the fork.
    """
    import hermes_logging
    from hermes_constants import get_hermes_home

    hermes_logging.setup_logging(hermes_home=get_hermes_home(), mode="gateway")


def warn_on_stderr() -> None:
    """Send warnings, with secrets redacted, to standard error: the worker's own log."""
    from agent.redact import RedactingFormatter

    root = logging.getLogger()
    if any(getattr(handler, "name", None) == __name__ for handler in root.handlers):
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.set_name(__name__)
    handler.setLevel(logging.WARNING)
    handler.setFormatter(RedactingFormatter("%(levelname)s %(name)s: %(message)s"))
    root.addHandler(handler)


def record_code_version() -> None:
    """Remember the checkout's revision, so that ``/model`` notices code that changed underneath."""
    try:
        from gateway.code_skew import record_boot_fingerprint
    except ImportError:  # Hermes before 0.18
        return
    record_boot_fingerprint()


def sync_skills() -> None:
    """Bring new bundled skills into the home; skipped when this Hermes did it already."""
    sync_skills_once()


def discover_plugins() -> None:
    """Load the profile's plugins: before shell hooks, so that a plugin's veto comes first."""
    from hermes_cli.plugins import discover_plugins as discover

    discover()


def register_shell_hooks() -> None:
    """Register the shell hooks of the profile's config; a missing one would deny nothing."""
    from agent.shell_hooks import register_from_config
    from hermes_cli.config import load_config

    register_from_config(load_config(), accept_hooks=False)


def register_webhooks() -> None:
    """Register the webhooks of the profile's ``hooks`` that tell others of events, from 0.21 on."""
    try:
        from agent.outbound_webhooks import register_from_config
    except ImportError:
        return
    from hermes_cli.config import load_config

    register_from_config(load_config())


def load_event_hooks(runner: Any) -> None:
    """Load ``<home>/hooks`` into the runner, once."""
    if not runner.hooks.loaded_hooks:
        runner.hooks.discover_and_load()


def discover_mcp(runner: Any, wait: float = MCP_WAIT_SECONDS) -> bool:
    """Connect the profile's MCP servers; True when that ended within ``wait`` seconds.

    Hermes does it in an executor and waits up to two minutes, once per gateway start. A worker does
    it for each turn, so it goes on without a slow server: the thread continues, and the tools
    appear when the server answers. Starts no thread when no server is configured.
    """
    from hermes_cli.config import load_config

    if not load_config().get("mcp_servers"):
        return True
    discover_mcp_tools = _mcp_discovery()

    thread = threading.Thread(
        target=_attempt,
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


def prepare(runner: Any, *, mcp: bool = True) -> None:
    """Do the steps that need no session; safe to do in advance, before any message is known.

    Blocks: call it outside the event loop or in a thread. A step that fails is logged and does
    not stop the others, as in Hermes. Reads no session state. Threads that it may leave behind: the
    logging listener, and MCP's own when servers are configured and ``mcp`` is wanted.
    """
    _attempt("set_up_logging", set_up_logging)
    _attempt("warn_on_stderr", warn_on_stderr)
    _attempt("record_code_version", record_code_version)
    _attempt("sync_skills", sync_skills)
    _attempt("discover_plugins", discover_plugins)
    _attempt("register_shell_hooks", register_shell_hooks)
    _attempt("register_webhooks", register_webhooks)
    _attempt("load_event_hooks", load_event_hooks, runner)
    if mcp:
        _attempt("discover_mcp", discover_mcp, runner)


def _attempt(name: str, step: Callable[..., Any], *args: Any) -> None:
    """Run one step as Hermes runs it: what goes wrong is reported and does not stop the start."""
    try:
        step(*args)
    except Exception:  # noqa: BLE001 - boundary: plugins, hooks and servers may raise anything
        _log.warning("start-up step %s failed", name, exc_info=True)
