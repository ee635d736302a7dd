"""What a turn needs of its gateway: the conversation that it serves, who sends, who has workers.

The gateway implements it with real adapters, ``test-route --say`` with a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.relay.attachments import Spool
from hermes_router.relay.delivery_policy import Sender
from hermes_router.relay.prompts import Ask, PromptRegistry
from hermes_router.turns.story import Note, note_nothing
from hermes_router.workers.pool import WorkerPool


class Conversation(Protocol):
    """What a turn needs of the conversation that it serves."""

    key: str
    profile: Profile

    @property
    def sender(self) -> Sender:
        """Who sends when the worker sends beyond this conversation."""

    def start_message(
        self, *, turn_id: str, heartbeat: float, linger: float, delivery_scope: msg.DeliveryScope
    ) -> msg.Start | msg.Job:
        """Return what the worker is told about the session, or about its job."""

    async def execute(self, method: str, args: Mapping[str, Any], spool: Spool, ask: Ask) -> Any:
        """Call the real adapter for the worker; raises ``RelayRefused`` where that is not allowed.

        ``ask`` shows a prompt that waits for a person.
        Whatever else it raises is the adapter's failure and is reported to the worker.
        """

    def offered(self, offers: msg.Commands) -> None:
        """Take note of the commands that the worker says its profile offers."""

    def worker_ended(self) -> None:
        """Undo what a worker may have left behind on the adapter."""

    async def notify(self, text: str) -> bool:
        """Tell the people in the conversation something; say whether there was a way to."""

    def note_works(self, turn_id: str, works: Sequence[str]) -> None:
        """Remember what lives in a turn's worker, also for a gateway that comes after this one.

        No works: there is nothing to remember any more.
        """

    def note_wakeup(self, at: float | None) -> None:
        """Remember when the session wants to be woken; None if it does not."""


class DeliveryService(Protocol):
    """Sends for workers to where their profile may send; independent of any conversation."""

    async def delivery_scope(self, sender: Sender) -> msg.DeliveryScope:
        """Return what a worker is told about where it may send."""

    async def carry(
        self, sender: Sender, message: msg.Deliver | msg.React, spool: Spool
    ) -> dict[str, Any]:
        """Do what a worker asks for; raises ``RelayRefused`` where that is not allowed."""

    def settle(self, profile: str, sent: list[msg.DeliveredText]) -> None:
        """Remember what was sent for a worker that died before it could note that."""


@dataclass(frozen=True, slots=True)
class TurnServices:
    """What all turns of a gateway have in common; ``note`` is told what came of each."""

    workers: WorkerPool
    delivery: DeliveryService
    registry: PromptRegistry = field(default_factory=PromptRegistry)
    note: Note = note_nothing
