"""Decide who may give the gateway's own commands in a routed place.

``/restart``, ``/update``, ``/platform`` and ``/pause`` act on all profiles. Hermes asks the
gateway's list of admins for the kind of place, and treats a missing list as "everybody". In a
routed place, and in one that nobody answers, the sender must be allowed by the gateway and by the
profile, if there is one. For each of the two, the list for this kind of place counts, or else the
list for the other kind.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from hermes_router.base.errors import ProfileError
from hermes_router.hermes.compat.seams import command_rules
from hermes_router.profiles.config import platform_settings
from hermes_router.profiles.model import Profile, in_one_line

logger = logging.getLogger(__name__)

_DENIED = "⛔ /{command} acts on the gateway of all profiles. Only its admins may use it."
_UNKNOWN = (
    "⛔ /{command} cannot be allowed here: the config.yaml of this conversation's profile "
    "cannot be read, so its admins are not known."
)
_SCOPES = ("dm", "group")


async def refusal(
    runner: Any, source: Any, command: str, profile: Profile | None, *, only_shows: bool = False
) -> str | None:
    """Return the text for a sender who may not give one of the gateway's commands in this place.

    Returns None if the sender may. ``profile`` is the one that the place is routed to, or None: its
    list of admins must allow the sender too. If that list cannot be read, the command is refused.
    With ``only_shows`` the command changes nothing: the gateway's own list is then enough.
    """
    refused = command_rules.command_refusal(runner, source, command, source.user_id)
    if refused is not None:
        return refused
    by_gateway = _allows(_gateways_rules(runner, source), source, command)
    if by_gateway is False:
        return _denied(source, command)
    try:
        by_profile = await _profile_allows(profile, source, command)
    except ProfileError as error:
        # Without a list of the gateway's, the unreadable one may be all that keeps people out.
        if only_shows and by_gateway:
            return None
        logger.warning("hermes-router: /%s is refused: %s", command, in_one_line(error))
        return _UNKNOWN.format(command=command)
    return _denied(source, command) if by_profile is False else None


def _denied(source: Any, command: str) -> str:
    logger.info("hermes-router: /%s is refused to %s", command, source.user_id)
    return _DENIED.format(command=command)


async def _profile_allows(profile: Profile | None, source: Any, command: str) -> bool | None:
    if profile is None:
        return None
    lists = await asyncio.to_thread(platform_settings, profile, source.platform.value)
    return _allows(lists, source, command)


def _gateways_rules(runner: Any, source: Any) -> dict[str, Any]:
    settings = runner.config.platforms.get(source.platform)
    extra = getattr(settings, "extra", None)
    return extra if isinstance(extra, dict) else {}


def _allows(lists: dict[str, Any], source: Any, command: str) -> bool | None:
    """Ask the list for this kind of place, or else for the other kind; None if there is none."""
    direct = str(source.chat_type or "").lower() in {"dm", "direct", "private", ""}
    for scope in _SCOPES if direct else reversed(_SCOPES):
        allowed = command_rules.list_allows(lists, scope, source.user_id, command)
        if allowed is not None:
            return allowed
    return None
