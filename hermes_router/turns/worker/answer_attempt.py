"""Write down what happens while the last part of an answer is being sent."""

from __future__ import annotations

import asyncio

from hermes_router.turns.worker.event_track import TakenEvents


class AnswerAttempt:
    """The sending of the last part of the answer to the event ``last``.

    ``name`` is the name of its text. See :class:`hermes_router.relay.attempts.Attempt`.
    """

    def __init__(self, taken: TakenEvents, last: int, name: str) -> None:
        self._taken = taken
        self._last = last
        self._name = name
        self._asked: asyncio.TimerHandle | None = None
        self._over = False

    def asks(self) -> None:
        """Note that the platform is asked: the answer may have arrived from now on."""
        if self._asked is None and not self._over:
            self._asked = self._taken.trying(self._last, self._name)

    def refused(self) -> None:
        """Note that the answer has not arrived."""
        if self._asked is not None and not self._over:
            self._ended(success=False)

    def over(self, *, success: bool) -> None:
        """Note the outcome, which is final: what comes later belongs to another call."""
        self._over = True
        self._ended(success=success)

    def _ended(self, *, success: bool) -> None:
        if self._asked is not None:
            self._asked.cancel()
            self._asked = None
        self._taken.tried(self._last, success=success)
