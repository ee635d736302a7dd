"""The conversation of a turn, for a session whose person writes to several bots.

A private chat has the same session with each bot of a platform. A turn speaks by the bot of its
first message. If its worker stays for background work, it also serves a later message to another
bot, and then speaks by that one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router.relay.attachments import Spool
from hermes_router.relay.delivery_policy import Sender
from hermes_router.relay.prompts import Ask
from hermes_router.turns.ports import Conversation


class Voice(Conversation):
    """The conversation that a turn gets: it passes each call on to ``current``.

    ``current`` is one of the conversations that a session has with several bots.
    :meth:`Lane.joined` changes it, and only if the turn has answered everything and is offered
    nothing.
    """

    def __init__(self, current: Conversation) -> None:
        self.current = current
        self.key = current.key
        self.profile = current.profile

    @property
    def sender(self) -> Sender:
        """The profile and the conversation in which the turn speaks now."""
        return self.current.sender

    def start_message(
        self, *, turn_id: str, heartbeat: float, linger: float, delivery_scope: msg.DeliveryScope
    ) -> msg.Start | msg.Job:
        """Return the message that tells a worker about the session; it is the same for each bot."""
        return self.current.start_message(
            turn_id=turn_id, heartbeat=heartbeat, linger=linger, delivery_scope=delivery_scope
        )

    async def execute(self, method: str, args: Mapping[str, Any], spool: Spool, ask: Ask) -> Any:
        """Call a method of the adapter of the current bot; see :class:`Conversation`."""
        return await self.current.execute(method, args, spool, ask)

    def offered(self, offers: msg.Commands) -> None:
        """Put the worker's slash commands into the menu of the chat with the current bot."""
        self.current.offered(offers)

    def worker_ended(self) -> None:
        """Undo what the ended worker left on the adapter of the current bot."""
        self.current.worker_ended()

    async def notify(self, text: str) -> bool:
        """Send a notice by the current bot; return True if it could be sent."""
        return await self.current.notify(text)

    async def tell(self, text: str) -> asyncio.Future[bool] | None:
        """Send the notice that messages get instead of an answer, by the current bot."""
        return await self.current.tell(text)

    def note_works(self, turn_id: str, works: Sequence[str]) -> None:
        """Remember the background work of a turn for the chat with the current bot."""
        self.current.note_works(turn_id, works)

    def note_wakeup(self, at: float | None) -> None:
        """Remember when the session must be woken, in the chat with the current bot."""
        self.current.note_wakeup(at)


def same_bot(one: Conversation, other: Conversation) -> bool:
    """Return True if two conversations of one session are with the same bot."""
    return _bot_of(one) == _bot_of(other)


def _bot_of(conversation: Conversation) -> str | None:
    origin = conversation.sender.origin
    return None if origin is None else origin.bot
