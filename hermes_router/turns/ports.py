"""The interfaces through which a turn uses its gateway: conversation, delivery and services.

The gateway implements them with real adapters, the command ``test-route --say`` with a terminal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.relay.attachments import Spool
from hermes_router.relay.delivery_policy import Sender
from hermes_router.relay.prompts import Ask, PromptRegistry
from hermes_router.turns.sends import Sends
from hermes_router.turns.story import Note, note_nothing
from hermes_router.workers.pool import WorkerPool


class Conversation(Protocol):
    """The conversation that a turn serves. A turn reaches the platform and its people only by this.

    ``key`` is Hermes's session key. ``profile`` is the profile that answers here.
    """

    key: str
    profile: Profile

    @property
    def sender(self) -> Sender:
        """The profile and place by which the delivery policy decides where it may send."""

    def start_message(
        self, *, turn_id: str, heartbeat: float, linger: float, delivery_scope: msg.DeliveryScope
    ) -> msg.Start | msg.Job:
        """Return the message that tells the worker its session or its job.

        ``heartbeat`` is the seconds between two heartbeats; ``linger`` is how many seconds the
        worker may stay after its answer.
        """

    async def execute(self, method: str, args: Mapping[str, Any], spool: Spool, ask: Ask) -> Any:
        """Call a method of the real adapter for the worker; return its result.

        ``args`` are the worker's arguments, ``spool`` has the files that it sent along. ``ask``
        shows a prompt that waits for a person's answer.

        Raises:
            RelayRefused: the relay policy does not allow the call.
            Exception: the adapter failed; the turn reports this to the worker.
        """

    def offered(self, offers: msg.Commands) -> None:
        """Put the slash commands that the worker reported into the menu of routed chats."""

    def worker_ended(self) -> None:
        """Undo what the ended worker left on the adapter, for example a paused typing sign.

        The turn calls this once, after the worker's process tree is gone.
        """

    async def notify(self, text: str) -> bool:
        """Send a notice into the conversation, once; return True if it could be sent."""

    async def tell(self, text: str) -> asyncio.Future[bool] | None:
        """Send the notice that messages get instead of an answer; return None if nothing is owed.

        If the platform is away, the notice is owed: the conversation sends it later, and until then
        the ledger keeps these messages open. The result of the returned future is True when the
        notice is owed no more, or False if the gateway stopped before.
        """

    def note_works(self, turn_id: str, works: Sequence[str]) -> None:
        """Remember the background work in a turn's worker, in memory and on the disk.

        If this gateway is killed, the next one tells the conversation which work ended. An empty
        ``works`` removes the note.
        """

    def note_wakeup(self, at: float | None) -> None:
        """Remember when the gateway must start a worker to run the session's recurring prompts.

        The worker reports ``at``, in seconds since the epoch; None means never.
        """


class DeliveryService(Protocol):
    """Sends for workers to other conversations, within the delivery scope of their profile."""

    async def delivery_scope(self, sender: Sender) -> msg.DeliveryScope:
        """Return where the sender may send; a worker is told this at its start."""

    async def carry(
        self, sender: Sender, message: msg.Deliver | msg.React, spool: Spool
    ) -> dict[str, Any]:
        """Send a text to another conversation, or set a reaction there, for a worker.

        Returns what the worker's own call gets as its result.

        Raises:
            RelayRefused: the delivery policy does not allow the target.
        """

    def note_delivered(self, profile: str, sent: list[msg.DeliveredText]) -> None:
        """Record which texts were sent for a worker that died before it could record them.

        The profile's next worker is told them, and does not send them again.
        """


@dataclass(frozen=True, slots=True)
class TurnServices:
    """The services that all turns of a gateway share.

    Attributes:
        workers: starts and prepares worker processes.
        delivery: sends to other conversations.
        registry: the prompts that wait for a person's click.
        note: a function that gets the report of each turn.
        sends: the answers that are being sent.
    """

    workers: WorkerPool
    delivery: DeliveryService
    registry: PromptRegistry = field(default_factory=PromptRegistry)
    note: Note = note_nothing
    sends: Sends = field(default_factory=Sends)
