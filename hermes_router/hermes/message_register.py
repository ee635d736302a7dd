"""Enter routed messages into the ledger, and settle them when they have their outcome.

The gateway's home keeps where a message was sent. The profile's home keeps the text of the message.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Any

import anyio

from hermes_router.base.bounded import BoundedMap
from hermes_router.base.tasks import in_thread
from hermes_router.hermes.compat.events import (
    entry_number,
    identity_of,
    kept_source,
)
from hermes_router.hermes.conversation import GatewayConversation
from hermes_router.state import kept_event
from hermes_router.state.ledger import Entry, Ledger

logger = logging.getLogger(__name__)

_UNRECORDED = (
    "⚠️ Your message is being answered, but the router could not record it: {path} is full or "
    "read-only. If the gateway is interrupted before the answer, you will get no notice."
)


#: How many conversations are remembered as told that the disk cannot be written.
_REMEMBERED = 1024


class MessageRegister:
    """Enters all routed messages of a gateway into the ledger, and settles them.

    ``where`` is the ledger's folder. If the disk is full, a notice in the chat names it.
    """

    def __init__(self, ledger: Ledger, where: object) -> None:
        self._ledger = ledger
        self._where = where
        #: Of each profile: first come, first written, and first served. A profile whose home does
        #: not answer, such as a network drive, holds up no other profile.
        self._writing: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self._told: BoundedMap[str, bool] = BoundedMap(_REMEMBERED)

    async def enter(self, event: Any, conversation: GatewayConversation) -> Entry | None:
        """Write a message into the ledger before it is served; return its entry.

        Returns None if the ledger has the message already: it is then not served again. A message
        that cannot be written is served too; a notice tells the conversation what that means. The
        entry of a message that an earlier gateway left open is returned once.
        """
        left_open = self._ledger.of(entry_number(event))
        if left_open is not None:
            return left_open if left_open.take() else None
        identity = identity_of(event)
        if self._ledger.known(identity):
            logger.info(
                "hermes-router: the platform delivered %s again; it is not answered twice", identity
            )
            return None
        entry = self._ledger.accept(
            identity,
            profile=conversation.profile.name,
            session=conversation.key,
            source=kept_source(event.source),
        )
        try:
            async with self._writing[conversation.profile.name]:
                recorded = await in_thread(self._write, entry, event, conversation)
        except Exception:
            entry.settle()
            raise
        await self._complain(conversation, recorded=recorded)
        return entry

    def cut_off(self, event: Any) -> Entry | None:
        """Return the entry of a turn that a stop cut off, if this event continues it; else None.

        Such an event is made by the crash recovery of this gateway.
        """
        return self._ledger.of(entry_number(event)) if event.internal else None

    def left_open(self, event: Any) -> Entry | None:
        """Return the entry of a message that an earlier gateway left open, or None.

        The event names the entry if this gateway serves the message again.
        """
        return self._ledger.of(entry_number(event))

    async def leave(self, entry: Entry, conversation: GatewayConversation) -> None:
        """Settle the entry of a message that has its outcome, and remove its text from the disk."""
        entry.settle()
        with anyio.CancelScope(shield=True):
            home = conversation.profile.home
            await in_thread(kept_event.forget, home, entry.id)

    def _write(self, entry: Entry, event: Any, conversation: GatewayConversation) -> bool:
        """Write the text first: a message that is in the ledger can then be served again.

        Without a line in the ledger nobody would look for the text after a crash: it is removed.
        """
        try:
            fields, files = conversation.event_fields(event), bool(event.media_urls)
            kept_event.keep(conversation.profile.home, entry.id, fields, files=files)
        except OSError as error:  # the notice after a crash then cannot quote the message
            logger.warning("hermes-router: a message could not be written to the ledger: %s", error)
        recorded = self._ledger.record(entry)
        if not recorded:
            kept_event.forget(conversation.profile.home, entry.id)
        return recorded

    async def _complain(self, conversation: GatewayConversation, *, recorded: bool) -> None:
        """Tell each conversation once that the disk cannot be written, until a write succeeds."""
        if recorded:
            self._told.clear()
        elif conversation.key not in self._told:
            self._told[conversation.key] = True
            await conversation.notify(_UNRECORDED.format(path=self._where))
