"""Limit how much of the gateway's event loop and memory the messages of one worker may use."""

from __future__ import annotations

import time

import anyio

#: Maximum number of messages of one worker that the gateway reads in a second. A normal worker
#: sends some dozens. As chunks of files they are 512 MB.
MOST_PER_SECOND = 2000
#: As how many messages a call counts: the gateway does more for a call.
CALL = 5
#: If a worker's messages take long to decode, they get this part of the event loop's time.
SHARE = 0.2

_DEBT_SECONDS = 0.005
_YIELD_EVERY = 16


class FlowControl:
    """Tells the reader of one worker's messages to sleep when the worker exceeds its share.

    Without this, a worker that sends without end would keep the gateway from serving others.
    """

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._count = 0
        self._debt = 0.0
        self._waits = 0
        self._unbroken = 0

    def pause(self, spent: float, *, weight: int = 1, waits: int = 0) -> float | None:
        """Return how many seconds to sleep after a message; None if the reader may go on at once.

        ``spent`` is how many seconds the message took to decode, ``weight`` as how many messages it
        counts. ``waits`` is how often the reader has waited so far: in each wait, other tasks ran.
        """
        now = time.monotonic()
        if now - self._since >= 1:
            self._since, self._count = now, 0
        self._count += weight
        self._debt += spent
        self._unbroken = self._unbroken + weight if waits == self._waits else 0
        self._waits = waits
        if self._count > MOST_PER_SECOND:
            return self._since + 1 - now
        if self._debt > _DEBT_SECONDS:
            debt, self._debt = self._debt, 0.0
            return debt * (1 / SHARE - 1)
        if self._unbroken >= _YIELD_EVERY:
            # Without this, a pipe that is never empty would keep other tasks from running.
            self._unbroken = 0
            return 0.0
        return None

    async def keep(self, spent: float) -> None:
        """Sleep after a message that took ``spent`` seconds, if the worker exceeds its share."""
        pause = self.pause(spent)
        if pause is not None:
            await anyio.sleep(pause)


class RunningCalls:
    """Counts the running calls of one worker, to limit them.

    At most ``calls`` run at a time, with at most ``size`` bytes together. The reader of the
    worker's messages waits here before it executes a call.
    """

    def __init__(self, *, calls: int, size: int) -> None:
        self._most_calls = calls
        self._most_bytes = size
        self._calls = 0
        self._bytes = 0
        self._left: anyio.Event | None = None

    def has(self, size: int) -> bool:
        """Return True if a call of ``size`` bytes may run now. A call alone may have any size."""
        return not self._calls or (
            self._calls < self._most_calls and self._bytes + size <= self._most_bytes
        )

    async def wait_for(self, size: int) -> None:
        """Wait until :meth:`has` returns True for a call of ``size`` bytes; do not count it yet."""
        while not self.has(size):
            self._left = self._left or anyio.Event()
            await self._left.wait()

    def enter(self, size: int) -> None:
        """Count a call of ``size`` bytes as running until :meth:`leave`; this checks no limit."""
        self._calls += 1
        self._bytes += size

    def leave(self, size: int) -> None:
        """Count a call of ``size`` bytes as done; callers of :meth:`wait_for` check again."""
        self._calls -= 1
        self._bytes -= size
        if self._left is not None:
            self._left.set()
            self._left = None
