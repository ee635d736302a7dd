"""Decide when a process that imports Hermes may begin: each uses a processor for seconds.

If more of them ran than there are processors, all would take longer, until each took too long and
was ended. So they wait, and those for which a message waits go first. A template for which nobody
waits leaves one processor to the gateway and to messages.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

#: Seconds that a message waits for a template of its profile that is being prepared. After that its
#: worker starts cold.
TEMPLATE_SECONDS = 30.0

#: Seconds after which a process that still imports Hermes holds up no other one.
_COUNT_SECONDS = 10.0

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(eq=False, slots=True)
class Start:
    """A process that imports Hermes, or waits until it may begin.

    ``urgent`` returns True as long as a message waits for the process.
    """

    profile: str
    urgent: Callable[[], bool]
    begin: anyio.Event = field(default_factory=anyio.Event)


class StartQueue:
    """The processes of one gateway that import Hermes now, and those that wait to begin.

    ``processors`` is the number of processors that this process may use.
    """

    def __init__(self, processors: int | None = None) -> None:
        self.processors = processors or _processors()
        self._running: list[Start] = []
        self._waiting: list[Start] = []

    @asynccontextmanager
    async def place(self, profile: str, urgent: Callable[[], bool]) -> AsyncIterator[None]:
        """Wait until a process may begin to import Hermes; then run the block, which starts it.

        The block must end when the process has imported Hermes, or has failed. ``urgent`` returns
        True as long as a message waits for the process. After ten seconds in the block, it does not
        count any more, so that another one may begin.
        """
        start = await self.enter(profile, urgent)
        try:
            yield
        finally:
            self.leave(start)

    async def enter(self, profile: str, urgent: Callable[[], bool]) -> Start:
        """Wait until a process may begin to import Hermes; pass the result to :meth:`leave` later.

        This is :meth:`place` for a process whose import ends in another task.
        """
        start = Start(profile, urgent)
        self._waiting.append(start)
        self.look()
        try:
            await start.begin.wait()
        except BaseException:
            self.leave(start)
            raise
        asyncio.get_running_loop().call_later(_COUNT_SECONDS, self.leave, start)
        return start

    async def leave_after(self, imported: anyio.Event, start: Start | None) -> None:
        """Call :meth:`leave` when the event is set: a worker has imported Hermes, or ends."""
        await imported.wait()
        self.leave(start)

    def leave(self, start: Start | None) -> None:
        """Let the next processes begin, because this one has imported Hermes, or has failed.

        A second call for the same process counts nothing.
        """
        for those in (self._running, self._waiting):
            if start in those:
                those.remove(start)
        self.look()

    def look(self) -> None:
        """Let the next processes begin, if processors are free for them.

        The pool calls this when a message begins to wait for a process that was not urgent before.
        """
        while self._waiting:
            start = min(self._waiting, key=self._rank)
            spare = 0 if start.urgent() else 1
            if len(self._running) >= max(1, self.processors - spare):
                return
            self._waiting.remove(start)
            self._running.append(start)
            start.begin.set()

    def _rank(self, start: Start) -> tuple[bool, int]:
        """Return what is least for the next one: of those that rank alike, the oldest is next.

        A profile that imports nothing now goes first, so that one whose imports hang keeps no other
        waiting for long.
        """
        return not start.urgent(), sum(one.profile == start.profile for one in self._running)


def _processors() -> int:
    """Return how many processors this process may use; a container's quota counts."""
    usable = getattr(os, "sched_getaffinity", None)
    number = len(usable(0)) if usable is not None else os.cpu_count() or 1
    try:
        quota, period = map(float, _QUOTA.read_text("ascii").split())
    except (OSError, ValueError):  # there is no control group, or it has no quota: "max"
        return number
    return max(1, min(number, math.ceil(quota / period)))
