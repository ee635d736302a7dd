"""Find out whether a profile has its own bot, beside the bot that all profiles share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hermes_router.config.settings import Settings, is_platform_credential
from hermes_router.profiles.config import read_profile_config
from hermes_router.profiles.env_file import env_values


def gateway_answers_own_bot(settings: Settings, home: Path, gateway: Path) -> bool:
    """Return True if the gateway of the home ``gateway`` answers a profile's own bot itself.

    That gateway then also does the profile's cron jobs and maintenance. It is never so for a
    profile in a sandbox. The profile writes the files that name a bot, and whatever they had the
    gateway run would run outside of the sandbox.
    """
    return settings.launcher == "local" and has_own_bot(home, gateway)


def has_own_bot(home: Path, gateway: Path) -> bool:
    """Return True if a profile has a chat platform's credential that the gateway's home has not.

    Up to Hermes 0.21, ``hermes profile create --clone`` also copies the gateway's credentials. Such
    a copy is the shared bot, not the profile's own.
    """
    own = set(_credentials(home))
    return bool(own) and not own <= set(_credentials(gateway))


def _credentials(home: Path) -> Iterator[str]:
    # Follow links: .env may be a link into a repository of dot-files.
    named = env_values(Path(os.path.realpath(home / ".env"))).items()
    yield from (value for name, value in named if is_platform_credential(name))
    yield from _in_configuration(home / "config.yaml")


def _in_configuration(path: Path) -> Iterator[str]:
    values = read_profile_config(path)
    gateway = values.get("gateway")
    below = gateway.get("platforms") if isinstance(gateway, dict) else None
    sections: list[Any] = [values.get("platforms"), below]
    for section in filter(lambda section: isinstance(section, dict), sections):
        for platform in section.values():
            if isinstance(platform, dict):
                tokens = (platform[key] for key in platform if "token" in key)
                yield from (str(token) for token in tokens if token)
