"""Report when an adapter asks its platform to send an answer, and when the platform refuses.

An adapter may wait before it asks: until the pause is over that a platform wants between two
messages, or until it asks again after a refusal. If the gateway is killed in such a pause, the
answer has not arrived. If it is killed after the adapter has asked, the answer nearly always has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Attempt(Protocol):
    """The object that is told of each step while the last part of one answer is being sent.

    The turn implements this, and writes each step into the ledger of messages.
    """

    def asks(self) -> None:
        """Note that the adapter asks the platform now to send the answer.

        If the gateway dies now, the answer counts as delivered.
        """

    def refused(self) -> None:
        """Note that the platform has refused the call: nothing of it has arrived.

        If the gateway dies now, the next one has the answer sent again, or sends a notice.
        """


_attempt: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


@contextmanager
def followed_by(attempt: Attempt) -> Iterator[None]:
    """While the block runs, pass what :func:`asks` and :func:`refused` report to ``attempt``.

    The worker session runs the adapter's call in this block, if the call sends an answer.
    """
    token = _attempt.set(attempt)
    try:
        yield
    finally:
        _attempt.reset(token)


def asks() -> None:
    """Report that the adapter asks the platform now to send or change a message.

    The router's patches of the adapters call this; for an adapter without one, the conversation
    does before the call. Outside of a :func:`followed_by` block this does nothing.
    """
    if (attempt := _attempt.get()) is not None:
        attempt.asks()


def refused() -> None:
    """Report that the platform has refused that call, or that it could not be reached.

    The router's patches of the adapters call this. Outside of a :func:`followed_by` block it does
    nothing.
    """
    if (attempt := _attempt.get()) is not None:
        attempt.refused()
