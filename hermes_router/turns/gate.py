"""How many turns of a profile run at once, and which messages wait for a place.

A turn that waits for a person does no work: it gives its place back, and takes one again after the
answer, even if the profile then runs one turn more than it may. Lives in one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from hermes_router.config.settings import Limits
from hermes_router.errors import RouterError


class TooBusy(RouterError):
    """As many messages wait for a profile's workers as ``allowed``, and one more came.

    ``ahead`` of it are those and the turns that run.
    """

    def __init__(self, profile: str, allowed: int, *, ahead: int) -> None:
        super().__init__(f"profile {profile}: a message too many to wait (limits.queue: {allowed})")
        self.allowed, self.ahead = allowed, ahead


class StoppedWaiting(RouterError):
    """A person said /stop while the message waited for a place."""


@dataclass(eq=False, slots=True)
class _Waiter:
    lane: str
    received: float
    allowed: int
    place: asyncio.Future[None]


class Gate:
    """The places of one profile."""

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._running = 0
        self._waiting: list[_Waiter] = []

    def waiting(self) -> list[float]:
        """Return when each message came that waits, monotonic."""
        return sorted(waiter.received for waiter in self._waiting)

    async def enter(
        self,
        lane: str,
        received: float,
        limits: Limits,
        *,
        at_once: bool,
        told: Callable[[int], object],
    ) -> Place:
        """Return a place, when there is one. With ``at_once`` there is always one.

        ``told`` is called with how many messages are ahead, if this one has to wait.

        Raises:
            TooBusy: as many wait as may.
            StoppedWaiting: it was told to wait no longer.
        """
        free = self._running < limits.concurrent_turns and not self._waiting
        if not (at_once or free):
            await self._wait(lane, received, limits, told)
        else:
            self._running += 1
        return Place(self)

    def stop(self, lane: str) -> int:
        """Have the messages of a lane wait no longer; return how many did."""
        stopped = [one for one in self._waiting if one.lane == lane and not one.place.done()]
        for waiter in stopped:
            waiter.place.set_exception(StoppedWaiting("it was stopped before it began"))
        return len(stopped)

    async def _wait(
        self, lane: str, received: float, limits: Limits, told: Callable[[int], object]
    ) -> None:
        ahead = self._running + len(self._waiting)
        if len(self._waiting) >= limits.queue:
            raise TooBusy(self._profile, limits.queue, ahead=ahead)
        told(ahead)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(lane, received, limits.concurrent_turns, place)
        self._waiting.append(waiter)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.change(-1)  # it was given a place that nobody takes
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def change(self, by: int) -> None:
        """Take a place, or give one back to whoever waits longest."""
        self._running += by
        for waiter in list(self._waiting):
            if waiter.place.done() or self._running >= waiter.allowed:
                continue
            self._waiting.remove(waiter)
            self._running += 1
            waiter.place.set_result(None)


class Place:
    """One turn's place among those of its profile."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._held = True
        self._left = False

    def pause(self, waits: bool) -> None:  # noqa: FBT001 - a callback, called with what is now so
        """Give the place back while the turn ``waits`` for a person; take it again after that."""
        if self._left or waits is not self._held:
            return
        self._held = not waits
        self._gate.change(-1 if waits else 1)

    def leave(self) -> None:
        """Give the place back for good."""
        if self._held and not self._left:
            self._gate.change(-1)
        self._left = True
