"""Follow the sending of an answer: when does the adapter ask the platform to send it?

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
    """The sending of one answer."""

    def asks(self) -> None:
        """Note that the adapter asks the platform now."""

    def refused(self) -> None:
        """Note that the platform has refused the call: nothing of it has arrived.

        If the gateway dies now, its next start sends the answer.
        """


_attempt: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


@contextmanager
def followed_by(attempt: Attempt) -> Iterator[None]:
    """Have ``attempt`` told what the adapter calls in the block ask of the platform."""
    token = _attempt.set(attempt)
    try:
        yield
    finally:
        _attempt.reset(token)


def asks() -> None:
    """Note that the platform is asked now; outside of the sending of an answer, do nothing."""
    if (attempt := _attempt.get()) is not None:
        attempt.asks()


def refused() -> None:
    """Note that the platform has refused; outside of the sending of an answer, do nothing."""
    if (attempt := _attempt.get()) is not None:
        attempt.refused()
