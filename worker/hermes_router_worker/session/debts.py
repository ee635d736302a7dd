"""Send the replies that dead workers of the profile left unsent, beside the session's own work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from hermes_router_worker.send.ledger import redeliver
from hermes_router_worker.send.transport import Transport

#: Seconds after which the rest is left to a later worker.
_SECONDS = 60.0


class Debts:
    """Unsent replies of the profile on ``platforms``, which ``transport`` carries to the gateway.

    What is being sent must not be cancelled: its delivery would not be noted, and the reply would
    be sent twice.
    """

    def __init__(self, transport: Transport, platforms: Sequence[str]) -> None:
        self._transport = transport
        self._platforms = platforms
        self._paying: asyncio.Task[None] | None = None

    def pay(self) -> None:
        """Begin to send them, at the first call."""
        if self._paying is None and self._platforms:
            self._paying = asyncio.create_task(self._pay())

    def paid(self) -> bool:
        """Say whether none is being sent any more."""
        return self._paying is None or self._paying.done()

    async def _pay(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(redeliver(self._transport, self._platforms), _SECONDS)
