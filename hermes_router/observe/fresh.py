"""Share answers between clients, so that each answer is made at most twice a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

_FRESH_SECONDS = 0.5


class Fresh:
    """Keeps the newest answer to each question for 0.5 s, and makes one answer at a time.

    So many clients cost the gateway as little as one.
    """

    def __init__(self) -> None:
        self._made: dict[str, tuple[float, bytes]] = {}
        self._making = asyncio.Lock()

    async def of(self, question: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return the kept answer to this question; if it is older than 0.5 s, wait for ``make``."""
        async with self._making:
            made, answer = self._made.get(question, (0.0, b""))
            if time.monotonic() - made > _FRESH_SECONDS or not answer:
                answer = await make()
                self._made[question] = (time.monotonic(), answer)
            return answer
