"""The Hermes versions that have an environment, as `tests/environments.toml` pins them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = ROOT / "tests" / "environments.toml"

#: The Python that the newest Hermes is to be tried on besides the one that set-up finds.
NEWEST_PYTHON = "3.14"

_PIN = re.compile(r"hermes-agent(?:-iot)?==(.+)")


def versions() -> list[str]:
    """Return the versions that have an environment, oldest first."""
    return sorted(
        name.removeprefix("gateway-") for name in _groups() if name.startswith("gateway-")
    )


def own_version() -> str:
    """Return the version that the project's own environment has."""
    included: str = _groups()["gateway"][0]["include-group"]
    return included.removeprefix("gateway-")


def columns() -> list[tuple[str, str]]:
    """Return each Hermes that is to be tried, and on which Python; "" stands for any."""
    return [*((_pin(name), "") for name in versions()), (_pin(own_version()), NEWEST_PYTHON)]


def _pin(version: str) -> str:
    found = (_PIN.match(str(requirement)) for requirement in _groups()[f"gateway-{version}"])
    return next(pin[1] for pin in found if pin)


def _groups() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = tomllib.loads(ENVIRONMENTS.read_text("utf-8"))[
        "dependency-groups"
    ]
    return found
