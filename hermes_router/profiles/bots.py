"""Whether a profile has a bot of its own, which Hermes's gateway serves beside the shared one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hermes_router.config.settings import is_platform_credential
from hermes_router.profiles.config import read_profile_config
from hermes_router.profiles.dotenv_names import dotenv_names


def has_own_bot(home: Path) -> bool:
    """Say whether a profile's ``.env`` or ``config.yaml`` holds a chat platform's credential."""
    return _in_environment(home / ".env") or _in_configuration(home / "config.yaml")


def _in_environment(path: Path) -> bool:
    return any(
        is_set and is_platform_credential(name) for name, is_set in dotenv_names(path).items()
    )


def _in_configuration(path: Path) -> bool:
    values = read_profile_config(path)
    gateway = values.get("gateway")
    below = gateway.get("platforms") if isinstance(gateway, dict) else None
    sections: list[Any] = [values.get("platforms"), below]
    return any(
        isinstance(platform, dict) and any(platform.get(key) for key in platform if "token" in key)
        for section in sections
        if isinstance(section, dict)
        for platform in section.values()
    )
