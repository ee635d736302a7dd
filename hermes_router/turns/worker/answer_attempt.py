"""Follow the sending of the last part of an answer, and write each step to the ledger.

If the gateway is killed meanwhile, the next one reads there whether the answer may have arrived.
"""

from __future__ import annotations

import asyncio

from hermes_router.turns.worker.event_track import TakenEvents


class AnswerAttempt:
    """One attempt to send the last part of an answer, as the ledger of messages is told of it.

    The worker session makes it when the worker asks the gateway to send that part. The answer is
    for the messages up to the event ``last``. ``name`` is a hash of the text. The adapter of the
    platform calls :meth:`asks` and :meth:`refused`; see
    :class:`hermes_router.relay.attempts.Attempt`.
    """

    def __init__(self, taken: TakenEvents, last: int, name: str) -> None:
        self._taken = taken
        self._answered = taken.worked_on(last)
        self._name = name
        self._asked: asyncio.TimerHandle | None = None
        self._over = False

    def asks(self) -> None:
        """Write to the ledger that the platform is asked now: from here on the answer may arrive.

        A second call does nothing until the platform has refused.
        """
        if self._asked is None and not self._over:
            self._asked = self._taken.trying(self._answered, self._name)

    def refused(self) -> None:
        """Write to the ledger that the platform has refused, so that the answer has not arrived.

        The adapter may ask again; then :meth:`asks` is called again.
        """
        if self._asked is not None and not self._over:
            self._ended(success=False)

    def over(self, *, success: bool) -> None:
        """Write to the ledger whether the answer was delivered: the adapter's call has returned.

        This is final: later calls of :meth:`asks` and :meth:`refused` do nothing.
        """
        self._over = True
        self._ended(success=success)

    def _ended(self, *, success: bool) -> None:
        if self._asked is not None:
            self._asked.cancel()
            self._asked = None
        self._taken.tried(self._answered, success=success)
