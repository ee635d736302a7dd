"""Messages that an adapter joins into one before the router sees them, such as a long text's parts.

Each part has an id of its own under which the platform may deliver it again. So the parts are noted
on the joined event, and a part that was there before is not joined to a message that is new.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

from hermes_router.hermes.compat.events import PARTS, identity_of, part_of
from hermes_router.state.ledger import Ledger

logger = logging.getLogger(__name__)

#: The adapters' methods that join events, and where each keeps what it has not handed on, by key.
_JOINERS = {
    "_enqueue_text_event": "_pending_text_batches",
    "_enqueue_photo_event": "_pending_photo_batches",
    "_queue_media_group_event": "_media_group_events",
}


class JoinedMessages:
    """Notes the parts of joined messages; ``routed`` says whether a source is routed."""

    def __init__(self, ledger: Ledger, routed: Callable[[Any], bool]) -> None:
        self._ledger = ledger
        self._routed = routed

    def take_over(self, adapter: Any) -> None:
        """Follow what an adapter joins. One that joins nothing keeps all its methods."""
        for name, waiting in _JOINERS.items():
            original = getattr(adapter, name, None)
            if callable(original) and getattr(original, "replaced_by", None) is not self:
                method = self._following(original, adapter, waiting)
                method.replaced_by = self  # type: ignore[attr-defined]
                setattr(adapter, name, method)

    def _following(self, original: Any, adapter: Any, waiting: str) -> Callable[..., Any]:
        """Return the method that joins, and then notes what was joined."""

        def held(args: tuple[Any, ...]) -> Any:
            key = args[0] if len(args) > 1 else adapter._text_batch_key(args[-1])
            return getattr(adapter, waiting, {}).get(key)

        if inspect.iscoroutinefunction(original):

            @functools.wraps(original)
            async def joined_later(*args: Any) -> None:
                if not self._routed(args[-1].source):
                    await original(*args)
                elif not self._again(args[-1], held(args)):
                    await original(*args)
                    _note(args[-1], held(args))

            return joined_later

        @functools.wraps(original)
        def joined(*args: Any) -> None:
            if not self._routed(args[-1].source):
                original(*args)
            elif not self._again(args[-1], held(args)):
                original(*args)
                _note(args[-1], held(args))

        return joined

    def _again(self, event: Any, held: Any) -> bool:
        """Say whether an event was accepted before, or is a part of the one that is held back."""
        setattr(event, PARTS, [part_of(event)])
        again = part_of(event) in getattr(held, PARTS, ()) or self._ledger.known(identity_of(event))
        if again:
            logger.info("hermes-router: a message was delivered again; it is not served twice")
        return again


def _note(event: Any, held: Any) -> None:
    """Note what an event brought to the one that it was joined to."""
    if held is not None and held is not event and hasattr(held, PARTS):
        getattr(held, PARTS).extend(getattr(event, PARTS))
