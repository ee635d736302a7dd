"""``--version``: versions of the router, of the Hermes beside it, and of the worker protocol."""

from __future__ import annotations

import platform

from hermes_router.cli.terminal.output import say_fields
from hermes_router.protocol.messages import PROTOCOL_VERSION
from hermes_router.protocol.system.versions import hermes_version, router_version


def versions() -> dict[str, str]:
    """Return the versions of router, Hermes, protocol and Python, by the names that are printed."""
    return {
        "hermes-router": router_version(),
        "hermes-agent": hermes_version() or "not installed in this Python",
        "protocol": str(PROTOCOL_VERSION),
        "python": platform.python_version(),
    }


def show() -> int:
    """Print the versions; return the exit status."""
    say_fields(versions().items(), indent="")
    return 0
