"""Decide when a process that imports Hermes may begin: each uses a processor for seconds.

Templates begin in the order of who waits: first those of profiles with a message. A template for
which nobody waits leaves a processor to the gateway and to messages.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

#: Seconds that a template may take. After that it holds up neither other templates nor messages of
#: its own profile, whose workers then start cold.
TEMPLATE_SECONDS = 30.0

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


class StartQueue:
    """The processes of one gateway that import Hermes now, and the templates that wait to begin.

    ``processors`` is the number of processors that this process may use.
    """

    def __init__(self, processors: int | None = None) -> None:
        self._processors = processors or _processors()
        #: What runs now: each template by the event that let it begin, each cold worker by that at
        #: which it has imported Hermes.
        self._running: set[anyio.Event] = set()
        self._waiting: list[tuple[Callable[[], bool], anyio.Event]] = []

    @property
    def full(self) -> bool:
        """True if one more process would have to share a processor."""
        return len(self._running) >= self._processors

    @asynccontextmanager
    async def template(self, urgent: Callable[[], bool]) -> AsyncIterator[None]:
        """Wait until a template may begin; leave the block when it is prepared, or has failed.

        ``urgent`` returns True as long as somebody waits for the template. After
        ``TEMPLATE_SECONDS`` in the block, the template does not count any more.
        """
        begin = anyio.Event()
        self._waiting.append((urgent, begin))
        self.look()
        try:
            await begin.wait()
        except BaseException:
            if begin.is_set():
                self._leave(begin)
            else:
                self._waiting.remove((urgent, begin))
            raise
        late = asyncio.get_running_loop().call_later(TEMPLATE_SECONDS, self._leave, begin)
        try:
            yield
        finally:
            late.cancel()
            self._leave(begin)

    async def cold(self, imported: anyio.Event) -> None:
        """Count a cold worker until the event ``imported`` is set."""
        self._running.add(imported)
        try:
            await imported.wait()
        finally:
            self._leave(imported)

    def look(self) -> None:
        """Let the next templates begin; call this when somebody begins to wait for one."""
        while self._waiting:
            entry = next((one for one in self._waiting if one[0]()), self._waiting[0])
            urgent, begin = entry
            spare = 0 if urgent() else 1
            if len(self._running) >= max(1, self._processors - spare):
                return
            self._waiting.remove(entry)
            self._running.add(begin)
            begin.set()

    def _leave(self, process: anyio.Event) -> None:
        """Let the next ones begin; a template that was late has left already."""
        self._running.discard(process)
        self.look()


def _processors() -> int:
    """Return how many processors this process may use; a container's quota counts."""
    usable = getattr(os, "sched_getaffinity", None)
    number = len(usable(0)) if usable is not None else os.cpu_count() or 1
    try:
        quota, period = map(float, _QUOTA.read_text("ascii").split())
    except (OSError, ValueError):  # there is no control group, or it has no quota: "max"
        return number
    return max(1, min(number, math.ceil(quota / period)))
