"""The messages of one conversation that wait to be served again, because their worker ended."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import anyio

from hermes_router.turns.gate import StoppedWaiting


class ServedAgain:
    """Has the messages of a conversation that are served again wait for each other, in their order.

    Such a message waited in a worker that ended. A new message of the conversation waits behind
    these.
    """

    def __init__(self) -> None:
        self._lock = anyio.Lock()
        self._stops = 0

    @property
    def waiting(self) -> int:
        """How many messages wait, behind the one that is served again now."""
        return self._lock.statistics().tasks_waiting

    @contextlib.asynccontextmanager
    async def next_one(self) -> AsyncIterator[Callable[[], None]]:
        """Wait until each message before this one is served, then run the block.

        The block gets a function, which raises ``StoppedWaiting`` if :meth:`stop` was called since
        the wait began.

        Raises:
            StoppedWaiting: :meth:`stop` was called meanwhile.
        """
        stops = self._stops

        def require_wanted() -> None:
            if self._stops != stops:
                raise StoppedWaiting("it was stopped before it was served again")

        async with self._lock:
            require_wanted()
            yield require_wanted

    def stop(self) -> int:
        """Drop the messages that wait here, because a person sent /stop; return how many."""
        self._stops += 1
        return self.waiting
