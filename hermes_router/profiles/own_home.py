"""Read a profile's own choices that the gateway needs: home channels, language, approval time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hermes_router.base.errors import ProfileError
from hermes_router.profiles.config import platform_settings, read_profile_config
from hermes_router.profiles.env_file import env_values
from hermes_router.profiles.model import Profile
from hermes_router.routing.table import Place

#: A ``.env`` with more bytes is not read, as a profile could block the gateway with it.
_MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class OwnHome:
    """A profile's home channel of one platform.

    If ``told`` is True, a message is sent there when the gateway stops and when it is back.
    """

    place: Place
    told: bool = True


def own_homes(profile: Profile, variables: Mapping[str, str]) -> list[OwnHome]:
    """Return the home channels that a profile's own files name; this reads files, so it blocks.

    ``variables`` maps each platform to the variable in ``.env`` that names its home channel. The
    variable wins over ``config.yaml``, as in Hermes.
    """
    environment = env_values(profile.home / ".env", _MOST_BYTES)
    homes = []
    for platform, variable in variables.items():
        settings = _settings(profile, platform)
        place = _named(platform, variable, environment) or _configured(platform, settings)
        if place is not None:
            told = settings.get("gateway_restart_notification") is not False
            homes.append(OwnHome(place, told))
    return homes


def display_language(profile: Profile) -> str | None:
    """Return the code of the language in which the router writes notices of this profile.

    None means Hermes's default. This reads files, so it blocks.
    """
    display = read_profile_config(profile.home / "config.yaml").get("display")
    language = display.get("language") if isinstance(display, dict) else None
    named = env_values(profile.home / ".env", _MOST_BYTES).get("HERMES_LANGUAGE")
    return named or (language if isinstance(language, str) else None)


def approval_seconds(profile: Profile) -> int | None:
    """Return how many seconds the profile waits for a person to approve a command.

    None means Hermes's default. This reads a file, so it blocks.
    """
    approvals = read_profile_config(profile.home / "config.yaml").get("approvals")
    seconds = approvals.get("timeout") if isinstance(approvals, dict) else None
    try:
        return None if seconds is None else int(seconds)
    except (TypeError, ValueError, OverflowError):
        return None


def _settings(profile: Profile, platform: str) -> dict[str, Any]:
    try:
        return platform_settings(profile, platform)
    except ProfileError:
        return {}


def _named(platform: str, variable: str, environment: Mapping[str, str]) -> Place | None:
    chat, thread = environment.get(variable), environment.get(f"{variable}_THREAD_ID")
    return Place(platform=platform, chat_id=chat, thread_id=thread) if chat else None


def _configured(platform: str, settings: Mapping[str, Any]) -> Place | None:
    home = settings.get("home_channel")
    if not isinstance(home, dict) or not home.get("chat_id"):
        return None
    thread = home.get("thread_id")
    return Place(
        platform=platform,
        chat_id=str(home["chat_id"]),
        thread_id=str(thread) if thread else None,
    )
