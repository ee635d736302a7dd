"""The worker's start-up steps that need no session: they may happen long before a message.

A worker builds a ``GatewayRunner`` but never runs ``start_gateway()`` or ``GatewayRunner.start()``:
these take locks, connect platforms and own the home. Yet a turn needs what they set up. This module
has the steps before the session is known, in the order of :func:`prepare`. The steps that need the
session and the running loop are in :mod:`.session_wiring`. :mod:`.startup_table` says for every
step of Hermes where we do it, and why.

No step loads the session store: a store that is loaded before its message would later write old
rows.
"""

from __future__ import annotations

from typing import Any

from hermes_router_worker.hermes.startup import logs
from hermes_router_worker.hermes.startup import steps as hermes
from hermes_router_worker.home.bundled_skills import sync_skills_once


def prepare(runner: Any, *, mcp: bool = True) -> None:
    """Do the steps that need no session; safe to do in advance, before any message is known.

    Blocks: call it outside the event loop or in a thread. A step that fails is logged and does not
    stop the others, as in Hermes. It reads no session state. It may leave two kinds of threads: the
    logging listener, and MCP's own if servers are configured and ``mcp`` is True.
    """
    hermes.attempt("set_up_logging", logs.set_up_logging)
    hermes.attempt("warn_on_stderr", logs.warn_on_stderr)
    hermes.attempt("record_code_version", hermes.record_code_version)
    hermes.attempt("sync_skills", sync_skills)
    hermes.attempt("discover_plugins", hermes.discover_plugins)
    hermes.attempt("register_shell_hooks", hermes.register_shell_hooks)
    hermes.attempt("register_webhooks", hermes.register_webhooks)
    hermes.attempt("load_event_hooks", hermes.load_event_hooks, runner)
    if mcp:
        hermes.attempt("discover_mcp", hermes.discover_mcp, runner)


def sync_skills() -> None:
    """Copy Hermes's bundled skills into the profile's home, once per version of Hermes.

    Each worker and template calls it at its start; it does nothing if it has been done.
    """
    sync_skills_once()
