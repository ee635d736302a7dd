"""Who may give the gateway's own commands in a routed place.

``/restart``, ``/update`` and ``/platform`` act on all profiles. Hermes asks the gateway's
list for the kind of place, and takes a missing list for everybody. In a routed place three lists
are asked: the gateway's for this kind of place, or else its list for the other kind, and the
profile's own.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
from typing import Any

from hermes_router.errors import ProfileError
from hermes_router.hermes.compat import seams
from hermes_router.profiles.config import platform_settings
from hermes_router.profiles.model import Profile

logger = logging.getLogger(__name__)

_DENIED = "⛔ /{command} acts on the gateway of all profiles, and is for its admins only."
_SCOPES = ("dm", "group")


async def refusal(runner: Any, source: Any, command: str, profile: Profile | None) -> str | None:
    """Return what somebody is told who may not give a command to the gateway here, or None."""
    refused = seams.command_refusal(runner, source, command, source.user_id)
    if refused is not None:
        return refused
    try:
        rules = [_gateways_rules(runner, source)]
        if profile is not None:
            rules.append(await asyncio.to_thread(platform_settings, profile, source.platform.value))
    except ProfileError as error:  # who may is not known
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
    """Ask the list for this kind of place, or else the one for the other kind."""
    access = importlib.import_module("gateway.slash_access")
    direct = str(source.chat_type or "").lower() in {"dm", "direct", "private", ""}
    for scope in _SCOPES if direct else reversed(_SCOPES):
        policy = access.policy_from_extra(lists, scope)
        if policy.enabled:
            return bool(policy.can_run(source.user_id, command))
    return True
