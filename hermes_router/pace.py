"""What one worker's messages may take of the gateway: of its event loop, and of its memory."""

from __future__ import annotations

import time

import anyio
import anyio.lowlevel

#: Messages of one worker that are read in a second; a good one sends some dozens. As chunks they
#: are 512 MB.
MOST_PER_SECOND = 2000
#: What a call counts for: more is done for it than for another message.
CALL = 5
#: A worker whose messages take long to decode gets this part of the event loop's time.
SHARE = 0.2

_DEBT_SECONDS = 0.005
_YIELD_EVERY = 16


class Pace:
    """Makes a reader wait when it gets more to read than its share."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._count = 0
        self._debt = 0.0

    async def keep(self, spent: float, *, weight: int = 1) -> None:
        """Wait, if need be, after a message that took ``spent`` seconds to decode."""
        now = time.monotonic()
        if now - self._since >= 1:
            self._since, self._count = now, 0
        self._count += weight
        self._debt += spent
        if self._count > MOST_PER_SECOND:
            await anyio.sleep(self._since + 1 - now)
        elif self._debt > _DEBT_SECONDS:
            debt, self._debt = self._debt, 0.0
            await anyio.sleep(debt * (1 / SHARE - 1))
        elif self._count % _YIELD_EVERY < weight:
            # A pipe that is never empty would keep the loop to itself: nothing else waits here.
            await anyio.lowlevel.checkpoint()


class Room:
    """Lets calls in while there is room: for a number of them, and for their bytes together."""

    def __init__(self, *, calls: int, size: int) -> None:
        self._most_calls = calls
        self._most_bytes = size
        self._calls = 0
        self._bytes = 0
        self._left = anyio.Event()

    async def enter(self, size: int) -> None:
        """Wait for room for a call of ``size`` bytes; one alone is let in however large it is."""
        while self._calls and (
            self._calls >= self._most_calls or self._bytes + size > self._most_bytes
        ):
            await self._left.wait()
        self._calls += 1
        self._bytes += size

    def leave(self, size: int) -> None:
        """Make room again."""
        self._calls -= 1
        self._bytes -= size
        left, self._left = self._left, anyio.Event()
        left.set()
