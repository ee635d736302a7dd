"""Decide when a process that imports Hermes may begin: each uses a processor for seconds.

Templates begin in the order of who waits: first those of profiles with a message. A template for
which nobody waits leaves a processor to the gateway and to messages.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio


class StartQueue:
    """The processes of one gateway that import Hermes now, and the templates that wait to begin.

    ``processors`` is the number of processors that this process may use.
    """

    def __init__(self, processors: int | None = None) -> None:
        self._processors = processors or _processors()
        self._running = 0
        self._waiting: list[tuple[Callable[[], bool], anyio.Event]] = []

    @property
    def full(self) -> bool:
        """True if one more process would have to share a processor."""
        return self._running >= self._processors

    @asynccontextmanager
    async def template(self, urgent: Callable[[], bool]) -> AsyncIterator[None]:
        """Wait until a template may begin; leave the block when it is prepared, or has failed.

        ``urgent`` returns True as long as somebody waits for the template.
        """
        begin = anyio.Event()
        self._waiting.append((urgent, begin))
        self.look()
        try:
            await begin.wait()
        except BaseException:
            if begin.is_set():
                self._leave()
            else:
                self._waiting.remove((urgent, begin))
            raise
        try:
            yield
        finally:
            self._leave()

    async def cold(self, imported: anyio.Event) -> None:
        """Count a cold worker until the event ``imported`` is set."""
        self._running += 1
        try:
            await imported.wait()
        finally:
            self._leave()

    def look(self) -> None:
        """Let the next templates begin; call this when somebody begins to wait for one."""
        while self._waiting:
            entry = next((one for one in self._waiting if one[0]()), self._waiting[0])
            urgent, begin = entry
            spare = 0 if urgent() else 1
            if self._running >= max(1, self._processors - spare):
                return
            self._waiting.remove(entry)
            self._running += 1
            begin.set()

    def _leave(self) -> None:
        self._running -= 1
        self.look()


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
