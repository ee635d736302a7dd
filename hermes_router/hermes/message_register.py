"""Entering routed messages into the ledger, and taking them out when they have their outcome.

Where a message was sent goes into the gateway's home, what it said into its profile's.
"""

from __future__ import annotations

import logging
from typing import Any

import anyio
import anyio.to_thread

from hermes_router.bounded import BoundedMap
from hermes_router.hermes.compat.events import (
    entry_number,
    identity_of,
    source_fields,
)
from hermes_router.hermes.conversation import GatewayConversation
from hermes_router.state import kept_event
from hermes_router.state.ledger import Entry, Ledger

logger = logging.getLogger(__name__)

_UNRECORDED = (
    "⚠️ Your message is being worked on, but it could not be written down: {path} is full or "
    "read-only. If the gateway is cut off before the answer, nobody will tell you."
)


#: Conversations of which it is remembered that they were told of a disk that takes no notes.
_REMEMBERED = 1024


class MessageRegister:
    """The one way into the ledger and out of it, for all routed messages of a gateway."""

    def __init__(self, ledger: Ledger, where: object) -> None:
        self._ledger = ledger
        self._where = where
        self._writing = anyio.Lock()  # first come, first written, and first served
        self._told: BoundedMap[str, bool] = BoundedMap(_REMEMBERED)

    async def enter(self, event: Any, conversation: GatewayConversation) -> Entry | None:
        """Write a message down before anything is done for it; None if it was there before.

        What cannot be written down is served all the same: people are told what that means.
        """
        resumed = self._ledger.of(entry_number(event))
        if resumed is not None:
            return resumed
        identity = identity_of(event)
        if self._ledger.known(identity):
            logger.info("hermes-router: %s was delivered again; it is not served twice", identity)
            return None
        entry = self._ledger.accept(
            identity,
            profile=conversation.profile.name,
            session=conversation.key,
            source=source_fields(event.source),
        )
        async with self._writing:
            recorded = await anyio.to_thread.run_sync(self._write, entry, event, conversation)
        await self._complain(conversation, recorded=recorded)
        return entry

    async def leave(self, entry: Entry, conversation: GatewayConversation) -> None:
        """Note that a message has its outcome."""
        entry.settle()
        with anyio.CancelScope(shield=True):
            home = conversation.profile.home
            await anyio.to_thread.run_sync(kept_event.forget, home, entry.id)

    def _write(self, entry: Entry, event: Any, conversation: GatewayConversation) -> bool:
        """Keep the words first: a message that the ledger has can then be served again."""
        try:
            fields, files = conversation.event_fields(event), bool(event.media_urls)
            kept_event.keep(conversation.profile.home, entry.id, fields, files=files)
        except OSError as error:  # the notice after a crash will have to do without its words
            logger.warning("hermes-router: a message could not be kept: %s", error)
        return self._ledger.record(entry)

    async def _complain(self, conversation: GatewayConversation, *, recorded: bool) -> None:
        """Say in each conversation that the disk takes no notes, once until it does again."""
        if recorded:
            self._told.clear()
        elif conversation.key not in self._told:
            self._told[conversation.key] = True
            await conversation.notify(_UNRECORDED.format(path=self._where))
