"""Who may give the gateway's own commands in a routed place.

``/restart``, ``/update`` and ``/platform`` act on all profiles. Hermes asks the gateway's list of
admins for the kind of place, and treats a missing list as "everybody". In a routed place, the
sender must be allowed by the gateway and by the profile. For each of the two, the list for this
kind of place counts, or else the list for the other kind.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from hermes_router.errors import ProfileError
from hermes_router.hermes.compat.seams import command_rules
from hermes_router.profiles.config import platform_settings
from hermes_router.profiles.model import Profile

logger = logging.getLogger(__name__)

_DENIED = "⛔ /{command} acts on the gateway of all profiles. Only its admins may use it."
_SCOPES = ("dm", "group")


async def refusal(runner: Any, source: Any, command: str, profile: Profile | None) -> str | None:
    """Return the text for a sender who may not give one of the gateway's commands in this place.

    Returns None if the sender may. ``profile`` is the one that the place is routed to, or None: its
    list of admins must allow the sender too. If that list cannot be read, the command is refused.
    """
    refused = command_rules.command_refusal(runner, source, command, source.user_id)
    if refused is not None:
        return refused
    try:
        rules = [_gateways_rules(runner, source)]
        if profile is not None:
            rules.append(await asyncio.to_thread(platform_settings, profile, source.platform.value))
    except ProfileError as error:  # the profile's list cannot be read
        logger.warning("hermes-router: /%s is refused: %s", command, error)
        return _DENIED.format(command=command)
    if all(_allows(lists, source, command) for lists in rules):
        return None
    logger.info("hermes-router: /%s is refused to %s", command, source.user_id)
    return _DENIED.format(command=command)


def _gateways_rules(runner: Any, source: Any) -> dict[str, Any]:
    settings = runner.config.platforms.get(source.platform)
    extra = getattr(settings, "extra", None)
    return extra if isinstance(extra, dict) else {}


def _allows(lists: dict[str, Any], source: Any, command: str) -> bool:
    """Ask the list for this kind of place, or else the list for the other kind."""
    direct = str(source.chat_type or "").lower() in {"dm", "direct", "private", ""}
    for scope in _SCOPES if direct else reversed(_SCOPES):
        allowed = command_rules.list_allows(lists, scope, source.user_id, command)
        if allowed is not None:
            return allowed
    return True
