"""A head start: a ready worker prepares a session while the rest of a message may still come.

An adapter waits a moment for more text before it hands a message on. A ready worker prepares the
session meanwhile. It serves the message only if the message needs exactly this worker and session.
"""

from __future__ import annotations

import contextlib

import anyio

from hermes_router.config.settings import Settings, Warm
from hermes_router.protocol import messages as msg
from hermes_router.turns.ports import Conversation, TurnServices
from hermes_router.turns.story import new_turn_id
from hermes_router.workers.process import WorkerOrder, WorkerProcess

#: Seconds to wait for the end of a worker, on top of its grace time.
_END_SECONDS = 3.0


class HeadStart:
    """A worker that is reserved for a message about to come, and what the worker was told.

    ``told`` is the message that told it its session; None: not told yet. ``taken`` is set when a
    turn begins with this head start: from then on only the turn sends messages to the worker. The
    dispatcher ends the worker if no message comes.
    """

    def __init__(self, worker: WorkerProcess, services: TurnServices) -> None:
        self._services = services
        self.turn_id = new_turn_id()
        self.worker = worker
        self.told: msg.Start | msg.Job | None = None
        self.taken = False

    @classmethod
    def of(
        cls, conversation: Conversation, settings: Settings, services: TurnServices
    ) -> HeadStart | None:
        """Reserve a ready worker for a conversation; return None if none is ready.

        The dispatcher calls this when a message of the conversation is about to come. No other
        message gets the worker then.
        """
        order = services.workers.order(conversation.profile, settings)
        worker = services.workers.reserve(order, settings.warm)
        return None if worker is None else cls(worker, services)

    async def tell(
        self, conversation: Conversation, settings: Settings, message: msg.Expect
    ) -> None:
        """Tell the worker its session, and what is about to come, unless a turn has taken it.

        If the worker has died, this does nothing: :meth:`claimed` finds out later.
        """
        start = await start_message(conversation, settings, self._services, self.turn_id)
        if self.taken:
            return
        self.told = start
        with contextlib.suppress(OSError):  # it has just died; a claim will find that
            await self.worker.send(start)
            await self.worker.send(message)

    async def claimed(self, start: msg.Start | msg.Job, order: WorkerOrder, warm: Warm) -> bool:
        """Return True if the worker may serve the message; if not, return when it has ended.

        ``start`` is what a worker for the message must be told, ``order`` and ``warm`` how it is
        started. If this worker was told something else, it is ended first: two workers with the
        same session must not run, because the later one owns the session's state. Raises the errors
        of :meth:`WorkerPool.claim`.
        """
        workers, fits = self._services.workers, self.told is None or self.told == start
        if fits and await workers.claim(self.worker, order, warm):
            return True
        workers.give_up(self.worker)
        with anyio.move_on_after(order.grace + _END_SECONDS):
            await self.worker.gone()
        return False


async def start_message(
    conversation: Conversation, settings: Settings, services: TurnServices, turn_id: str
) -> msg.Start | msg.Job:
    """Return the message that tells a worker its session or job, and where it may send."""
    times = settings.timeouts
    return conversation.start_message(
        turn_id=turn_id,
        heartbeat=times.silence / 4,
        linger=times.post_turn,
        delivery_scope=await services.delivery.delivery_scope(conversation.sender),
    )
