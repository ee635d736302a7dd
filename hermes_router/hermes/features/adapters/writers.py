"""Who wrote a message in a group that the bot listens to: a route may name that person.

Where Hermes's Telegram adapter also keeps what people say without addressing the bot, it removes
the person from each message: the session is the whole group's. It writes the name into the text.
A route that names the person must match all the same, for messages to the bot and for all others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hermes_router.hermes.compat.events import keep_writer
from hermes_router.hermes.compat.replacing.adapter_patches import SHARED_SOURCE, replace


def keep_writers(adapter: Any) -> None:
    """Wrap the method that removes a person from a message's source; routes then see the person.

    The router calls this for each new adapter; a second call for one does nothing.
    """

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def share(source: Any) -> Any:
            return keep_writer(original(source), source.user_id)

        return share

    replace(adapter, SHARED_SOURCE, keep_writers, around)
