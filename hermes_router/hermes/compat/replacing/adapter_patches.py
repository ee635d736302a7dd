"""Methods of adapters that the router replaces, and an error log for a Hermes that lacks one.

An adapter without such a method keeps working, but treats routed places like all others. Then the
wrong profile acts there. So an error is logged for each adapter that lacks one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

_Method = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """One method of one platform's adapter that the router replaces."""

    platform: str
    name: str
    sign: str
    """An attribute that shows the method should exist: each such adapter has had both."""
    without: str
    """What happens to routed places without the method."""


STICKER = Replaced(
    platform="telegram",
    name="_handle_sticker",
    sign="_bot",
    without="the gateway's own profile describes the stickers of routed places",
)
OBSERVED_MEDIA = Replaced(
    platform="telegram",
    name="_cache_observed_media",
    sign="_telegram_group_observe_shared_source",
    without="files of observed messages in routed places stay in the gateway's home",
)
SHARED_SOURCE = Replaced(
    platform="telegram",
    name="_telegram_group_observe_shared_source",
    sign="_observe_unmentioned_group_message",
    without="routes that name a person do not hold in groups that the bot listens to",
)
COMMENT = Replaced(
    platform="feishu",
    name="_on_drive_comment_event",
    sign="_build_event_handler",
    without="the gateway's own profile answers comments of routed people on documents",
)

CLICK = Replaced(
    platform="telegram",
    name="_handle_callback_query",
    sign="_bot",
    without="everybody who may write can click on the buttons of one person's session",
)


def replace(
    adapter: Any, replaced: Replaced, by: object, around: Callable[[_Method], _Method]
) -> None:
    """Replace a method of an adapter: ``around`` gets the old method and returns the new one.

    ``by`` is the object that replaces it. A second call with the same one does nothing, and so does
    a call for an adapter that has no such method.
    """
    original = method_of(adapter, replaced)
    if original is None or getattr(original, "replaced_by", None) is by:
        return
    method = around(original)
    method.replaced_by = by  # type: ignore[attr-defined]
    setattr(adapter, replaced.name, method)


def method_of(adapter: Any, replaced: Replaced) -> Any:
    """Return an adapter's method that the router replaces; None if the adapter has none.

    If an adapter of that platform should have the method, an error is logged.
    """
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
