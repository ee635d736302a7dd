"""``--version``: the router, the Hermes that it is installed beside, the worker protocol."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from hermes_router import __version__
from hermes_router.cli.output import say_fields
from hermes_router.protocol.messages import PROTOCOL_VERSION


def versions() -> dict[str, str]:
    """Return name and version of what matters when something does not fit together."""
    return {
        "hermes-router": __version__,
        "hermes-agent": hermes_version() or "not installed in this Python",
        "protocol": str(PROTOCOL_VERSION),
        "python": platform.python_version(),
    }


def hermes_version() -> str | None:
    """Return the version of the Hermes in this Python, or None."""
    try:
        return version("hermes-agent")
    except PackageNotFoundError:
        return None


def show() -> int:
    """Print the versions; return the exit status."""
    say_fields(versions().items(), indent="")
    return 0
