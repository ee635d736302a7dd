"""Messages that an adapter joins into one before the router sees them, for example a long text.

Each part has its own id, and the platform may deliver a part again. So the ids of the parts are
noted on the joined event. A part that was accepted before is not joined to a new message.

An adapter joins what comes at the same time for one session, and a session may be that of all
people in a place. The joined message has the sender of its first part. So a routed message is
joined only to messages of the same person, for the same profile.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

from hermes_router.hermes.compat.adapters.joining import JOINERS, KEYS, held
from hermes_router.hermes.compat.events import PARTS, identity_of, part_of
from hermes_router.state.ledger import Ledger

logger = logging.getLogger(__name__)


class JoinedMessages:
    """Has adapters skip a part that was accepted before, when they join messages into one.

    ``ledger`` knows the accepted messages. ``routed`` returns True if a source is routed. ``lane``
    returns a text for who answers whom, "" if the source is not routed: messages with different
    texts are not joined. ``expects`` is called with the first part of each message that waits for
    more text.
    """

    def __init__(
        self,
        ledger: Ledger,
        routed: Callable[[Any], bool],
        lane: Callable[[Any], str],
        expects: Callable[[Any], object],
    ) -> None:
        self._ledger = ledger
        self._routed = routed
        self._lane = lane
        self._expects = expects

    def take_over(self, adapter: Any) -> None:
        """Wrap the methods by which an adapter joins messages, if it has such methods.

        The router calls this for each new adapter; a second call for one does nothing. The wrapped
        methods also list the ids of all parts on the joined event, for the ledger.
        """
        for name in KEYS:
            self._wrap(adapter, name, self._apart)
        for name in JOINERS:
            waiting = functools.partial(held, adapter, name)
            self._wrap(adapter, name, functools.partial(self._following, waiting=waiting))

    def _wrap(self, adapter: Any, name: str, around: Callable[[Any], Callable[..., Any]]) -> None:
        original = getattr(adapter, name, None)
        if callable(original) and getattr(original, "replaced_by", None) is not self:
            method = around(original)
            method.replaced_by = self  # type: ignore[attr-defined]
            setattr(adapter, name, method)

    def _apart(self, original: Any) -> Callable[..., str]:
        """Return a wrapper that adds its lane to the key under which an event is joined."""

        @functools.wraps(original)
        def key(event: Any, *more: Any) -> str:
            joined_under = original(event, *more)
            return f"{joined_under}{self._lane(event.source)}"

        return key

    def _following(
        self, original: Any, waiting: Callable[[tuple[Any, ...]], Any]
    ) -> Callable[..., Any]:
        """Return a wrapper that calls the joining method and then notes which parts were joined."""
        if inspect.iscoroutinefunction(original):

            @functools.wraps(original)
            async def joined_later(*args: Any) -> None:
                if not self._routed(args[-1].source):
                    await original(*args)
                elif not self._again(args[-1], waiting(args)):
                    await original(*args)
                    self._note(args[-1], waiting(args))

            return joined_later

        @functools.wraps(original)
        def joined(*args: Any) -> None:
            if not self._routed(args[-1].source):
                original(*args)
            elif not self._again(args[-1], waiting(args)):
                original(*args)
                self._note(args[-1], waiting(args))

        return joined

    def _again(self, event: Any, held: Any) -> bool:
        """Say whether an event was accepted before, or is a part of the event that waits."""
        setattr(event, PARTS, [part_of(event)])
        again = part_of(event) in getattr(held, PARTS, ()) or self._ledger.known(identity_of(event))
        if again:
            logger.info(
                "hermes-router: the platform delivered a message again; it is not answered twice"
            )
        return again

    def _note(self, event: Any, held: Any) -> None:
        """Add the parts of an event to those of the waiting event that it was joined to."""
        if held is event:
            self._expects(event)
        elif held is not None and hasattr(held, PARTS):
            getattr(held, PARTS).extend(getattr(event, PARTS))
