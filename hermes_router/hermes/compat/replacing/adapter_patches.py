"""Methods of adapters that the router replaces, and what is said where a Hermes has them no more.

An adapter without one keeps working, and does for routed places what it does for all. That is the
wrong profile's doing, so it is said loudly, once for each adapter.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

_Method = Callable[..., Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """One method of one platform's adapter."""

    platform: str
    name: str
    sign: str
    """Attribute that the adapter has in every Hermes whose adapter has the method."""
    without: str
    """What happens to routed places without it."""


STICKER = Replaced(
    platform="telegram",
    name="_handle_sticker",
    sign="_bot",
    without="the gateway's own profile looks at the stickers of routed places",
)
OBSERVED_MEDIA = Replaced(
    platform="telegram",
    name="_cache_observed_media",
    sign="_observe_unmentioned_group_message",
    without="files that are overheard in routed places stay in the gateway's home",
)
FORUM_COMMANDS = Replaced(
    platform="telegram",
    name="_ensure_forum_commands",
    sign="_forum_command_registered",
    without="the adapter may put the gateway's menu over that of a routed forum",
)

CLICK = Replaced(
    platform="telegram",
    name="_handle_callback_query",
    sign="_bot",
    without="anybody who may write can click on the buttons of one person's session",
)


def replace(
    adapter: Any, replaced: Replaced, by: object, around: Callable[[_Method], _Method]
) -> None:
    """Put what ``around`` makes of an adapter's method in its place, once for each ``by``."""
    original = method_of(adapter, replaced)
    if original is None or getattr(original, "replaced_by", None) is by:
        return
    method = around(original)
    method.replaced_by = by  # type: ignore[attr-defined]
    setattr(adapter, replaced.name, method)


def method_of(adapter: Any, replaced: Replaced) -> Any:
    """Return the method, or None: this adapter has none, or no longer, which is logged."""
    if adapter.platform.value != replaced.platform:
        return None
    method = getattr(adapter, replaced.name, None)
    if method is None and hasattr(adapter, replaced.sign):
        logger.error(
            "hermes-router: this Hermes lacks %s.%s: %s. Install a Hermes version that "
            "hermes-router supports.",
            type(adapter).__name__,
            replaced.name,
            replaced.without,
        )
    return method
