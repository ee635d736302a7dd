"""Drop comments on documents of people whom the gateway's own profile does not answer.

Hermes's Feishu adapter answers a comment itself, past the place where messages are routed: with an
agent in the gateway's process, and the gateway's own model and key. No worker can do that, because
a comment has no chat. So a comment is dropped if its writer is routed to a profile, or denied.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hermes_router.config.model import RouterConfig
from hermes_router.hermes.compat.adapters import comments
from hermes_router.hermes.compat.events import bot_of
from hermes_router.hermes.compat.replacing.adapter_patches import COMMENT, replace
from hermes_router.routing.table import Place

logger = logging.getLogger(__name__)


def drop_routed_comments(adapter: Any, config: Callable[[], RouterConfig | None]) -> None:
    """Wrap the method that answers comments: it then drops those of routed and denied people.

    ``config`` returns the current configuration; while it returns None, all comments are dropped.
    Each dropped comment is logged.
    """

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def heard(event: Any) -> None:
            place = Place(
                platform=adapter.platform.value,
                user_id=comments.writer_of(event),
                bot=bot_of(adapter),
            )
            routes = config()
            if routes is not None and routes.decide(place).action == "in_process":
                original(event)
            else:
                logger.warning(
                    "hermes-router: a comment of %s on a document is not answered: the gateway's "
                    "own profile may not, and no worker can",
                    place.user_id,
                )

        return heard

    replace(adapter, COMMENT, drop_routed_comments, around)
