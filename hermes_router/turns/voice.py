"""The conversation of a turn, for a session whose person writes to several bots.

A private chat has the same session with each bot. A turn speaks by the bot of its message. If its
worker stays for background work, a message to another bot goes to that worker too.
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
    """Speaks in ``current``, one of the conversations that a session has with several bots.

    Only a turn that has answered everything, and is offered nothing, may go on in another one.
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
        """Return the message that tells a worker about the session; its bots have it in common."""
        return self.current.start_message(
            turn_id=turn_id, heartbeat=heartbeat, linger=linger, delivery_scope=delivery_scope
        )

    async def execute(self, method: str, args: Mapping[str, Any], spool: Spool, ask: Ask) -> Any:
        """Call a method of the adapter of the bot of now; see :class:`Conversation`."""
        return await self.current.execute(method, args, spool, ask)

    def offered(self, offers: msg.Commands) -> None:
        """Use the worker's commands for the chat with the bot of now."""
        self.current.offered(offers)

    def worker_ended(self) -> None:
        """Clean up on the adapter of the bot of now."""
        self.current.worker_ended()

    async def notify(self, text: str) -> bool:
        """Send a notice by the bot of now; return True if it could be sent."""
        return await self.current.notify(text)

    async def tell(self, text: str) -> asyncio.Future[bool] | None:
        """Send the notice that is the outcome of messages, by the bot of now."""
        return await self.current.tell(text)

    def note_works(self, turn_id: str, works: Sequence[str]) -> None:
        """Note the background work of a turn for the chat with the bot of now."""
        self.current.note_works(turn_id, works)

    def note_wakeup(self, at: float | None) -> None:
        """Note when the session must be woken, in the chat with the bot of now."""
        self.current.note_wakeup(at)


def same_bot(one: Conversation, other: Conversation) -> bool:
    """Return True if two conversations of one session are with the same bot."""
    return _bot_of(one) == _bot_of(other)


def _bot_of(conversation: Conversation) -> str | None:
    origin = conversation.sender.origin
    return None if origin is None else origin.bot
