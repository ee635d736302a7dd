"""What one worker's messages may take of the gateway: of its event loop, and of its memory."""

from __future__ import annotations

import time

import anyio

#: Messages of one worker that are read in a second; a good one sends some dozens. As chunks they
#: are 512 MB.
MOST_PER_SECOND = 2000
#: What a call counts for: more is done for it than for another message.
CALL = 5
#: A worker whose messages take long to decode gets this part of the event loop's time.
SHARE = 0.2

_DEBT_SECONDS = 0.005
_YIELD_EVERY = 16


class FlowControl:
    """Makes a reader wait when it gets more to read than its share."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._count = 0
        self._debt = 0.0
        self._waits = 0
        self._unbroken = 0

    def pause(self, spent: float, *, weight: int = 1, waits: int = 0) -> float | None:
        """Return how long to sleep, if at all, after a message that took ``spent`` seconds.

        ``waits`` is how often the reader had to wait so far: each time others had the event loop.
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
            # A pipe that is never empty would keep the loop to itself: nothing else waits here.
            self._unbroken = 0
            return 0.0
        return None

    async def keep(self, spent: float) -> None:
        """Sleep after a message, if need be."""
        pause = self.pause(spent)
        if pause is not None:
            await anyio.sleep(pause)


class Room:
    """Lets calls in while there is room: for a number of them, and for their bytes together."""

    def __init__(self, *, calls: int, size: int) -> None:
        self._most_calls = calls
        self._most_bytes = size
        self._calls = 0
        self._bytes = 0
        self._left: anyio.Event | None = None

    def has(self, size: int) -> bool:
        """Say whether a call of ``size`` bytes may be let in; one alone is, however large it is."""
        return not self._calls or (
            self._calls < self._most_calls and self._bytes + size <= self._most_bytes
        )

    async def wait_for(self, size: int) -> None:
        """Wait until there is room."""
        while not self.has(size):
            self._left = self._left or anyio.Event()
            await self._left.wait()

    def enter(self, size: int) -> None:
        """Take the room that there is."""
        self._calls += 1
        self._bytes += size

    def leave(self, size: int) -> None:
        """Make room again."""
        self._calls -= 1
        self._bytes -= size
        if self._left is not None:
            self._left.set()
            self._left = None
