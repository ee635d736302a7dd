"""Count the processes of workers that ended with an error although the gateway did not end them."""

from __future__ import annotations

import select
from collections import Counter
from collections.abc import Callable

from hermes_router.workers.launchers import Child, Launch, LaunchSpec


class UnexpectedEnds:
    """Counts for each profile how many of its processes ended unexpectedly and had to be replaced.

    The pool counts; the status and the metrics show the numbers. They begin at 0 with each gateway.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def of(self, profile: str) -> int:
        """Return how many processes of a profile ended unexpectedly since the gateway started."""
        return self._counts[profile]

    def add(self, profile: str) -> None:
        """Count one process of a profile that ended unexpectedly."""
        self._counts[profile] += 1

    def counting(self, launch: Launch) -> Launch:
        """Return a launcher that starts processes with ``launch`` and counts unexpected ends.

        An end is unexpected if the process failed before the gateway signalled it. It is counted
        when somebody waits for it. If the template that forked the process ended first, the return
        code is unknown, and nothing is counted.
        """

        async def counted(spec: LaunchSpec) -> Child:
            return _CountedChild(await launch(spec), lambda: self.add(spec.profile.name))

        return counted


class _CountedChild:
    """A started process; ``count`` is called once if it fails before the gateway signals it."""

    def __init__(self, child: Child, count: Callable[[], None]) -> None:
        self.pid = child.pid
        self.inbound = child.inbound
        self.outbound = child.outbound
        self._child = child
        self._count = count
        self._judged = False

    @property
    def ended(self) -> bool:
        return self._child.ended

    async def wait(self) -> int | None:
        returncode = await self._child.wait()
        if returncode not in {0, None} and not self._judged:
            self._count()
        self._judged = True
        return returncode

    def send_signal(self, number: int) -> None:
        self._judged = self._judged or not (self._child.ended or self._has_hung_up())
        self._child.send_signal(number)

    def keep(self, other: Child) -> None:
        self._child.keep(other)

    def _has_hung_up(self) -> bool:
        """Return True if the worker has closed its pipe; its supervisor may still be there."""
        poll = select.poll()
        poll.register(self.inbound, 0)
        return any(events & select.POLLHUP for _descriptor, events in poll.poll(0))
