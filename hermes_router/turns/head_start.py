"""A worker that learns its session while the rest of a message may still come.

An adapter waits a moment for more text before it hands a message on. A ready worker prepares the
session meanwhile. It is used only if the message then needs just that worker and that session.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hermes_router.config.settings import Settings
from hermes_router.protocol import messages as msg
from hermes_router.turns.ports import Conversation, TurnServices
from hermes_router.workers.process import WorkerOrder, WorkerProcess


@dataclass(frozen=True, slots=True)
class HeadStart:
    """A reserved worker that was told its session with the message ``start``."""

    turn_id: str
    worker: WorkerProcess
    start: msg.Start | msg.Job

    @classmethod
    async def of(
        cls,
        conversation: Conversation,
        settings: Settings,
        services: TurnServices,
        source: Mapping[str, Any],
    ) -> HeadStart | None:
        """Tell a ready worker the session of a conversation; return None if none can be told.

        ``source`` are the fields of Hermes's source of the message.
        """
        order = services.workers.order(conversation.profile, settings)
        worker = services.workers.reserve(order, settings.warm)
        if worker is None:
            return None
        with contextlib.ExitStack() as unless_told, contextlib.suppress(OSError):
            unless_told.callback(services.workers.give_up, worker)
            turn_id = new_turn_id()
            start = await start_message(conversation, settings, services, turn_id)
            await worker.send(start)
            await worker.send(msg.Expect(source=dict(source)))
            unless_told.pop_all()
            return cls(turn_id, worker, start)
        return None  # it has just died

    async def claimed(
        self,
        start: msg.Start | msg.Job,
        order: WorkerOrder,
        settings: Settings,
        services: TurnServices,
    ) -> bool:
        """Return True if the worker may serve the message; if not, it is ended.

        ``start`` is what a worker for the message has to be told, ``order`` how it is started.
        Raises the errors of :meth:`WorkerPool.claim`.
        """
        workers = services.workers
        if start == self.start and await workers.claim(self.worker, order, settings.warm):
            return True
        workers.give_up(self.worker)
        return False


def new_turn_id() -> str:
    """Return the id of a new turn: eight hexadecimal digits."""
    return uuid.uuid4().hex[:8]


async def start_message(
    conversation: Conversation, settings: Settings, services: TurnServices, turn_id: str
) -> msg.Start | msg.Job:
    """Return the message that tells a worker its session or its job."""
    times = settings.timeouts
    return conversation.start_message(
        turn_id=turn_id,
        heartbeat=times.silence / 4,
        linger=times.post_turn,
        delivery_scope=await services.delivery.delivery_scope(conversation.sender),
    )
