"""How many turns run at once, of a profile and of all, and which messages wait for a place.

A turn that waits for a person does no work: it gives its place back, and takes one again after the
answer, even if the profile then runs one turn more than it may. Lives in one event loop.
"""

from __future__ import annotations

import asyncio
import itertools
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


class Gates:
    """The places of all profiles, of which ``limit`` are taken at once; 0 is no limit.

    A free place goes to the profile that has the fewest turns running, and of those to the one that
    was given a place the longest ago: a busy profile cannot keep a quiet one waiting.
    """

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self._gates: dict[str, Gate] = {}

    def resize(self, limit: int) -> None:
        """Change the limit; turns that run go on."""
        self._limit = limit
        self.fill()

    def of(self, profile: str) -> Gate:
        """Return the gate of a profile."""
        return self._gates.setdefault(profile, Gate(profile, self))

    @property
    def full(self) -> bool:
        """Say whether no further turn may begin, whosever it is."""
        return 0 < self._limit <= sum(gate.running for gate in self._gates.values())

    def fill(self) -> None:
        """Give the places that are free to messages that wait."""
        while not self.full and (ready := [g for g in self._gates.values() if g.first()]):
            min(ready, key=lambda gate: (gate.running, gate.served)).admit()

    def ahead_of_new(self, gate: Gate) -> int:
        """Return how many places must be given or left before one for who comes to a gate now."""
        running = {each: each.running for each in self._gates.values()}
        waiting = {each: each.count for each in self._gates.values()}
        waiting[gate] += 1
        for given in itertools.count(1):
            waits = [each for each in waiting if waiting[each]]
            chosen = min(waits, key=lambda each: (running[each], each.served))
            if chosen is gate and waiting[gate] == 1:
                return given
            waiting[chosen] -= 1
            running[chosen] += 1
        raise AssertionError


class Gate:
    """The places of one profile."""

    _moments = itertools.count(1)

    def __init__(self, profile: str, gates: Gates) -> None:
        self._profile = profile
        self._gates = gates
        self._waiting: list[_Waiter] = []
        self.running = 0
        #: When it last gave a place: such moments are counted.
        self.served = 0

    @property
    def count(self) -> int:
        """How many messages wait."""
        return len(self._waiting)

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
        full = self.running >= limits.concurrent_turns
        if not at_once and (full or self._waiting or self._gates.full):
            ahead = self.running + self.count if full else self._gates.ahead_of_new(self)
            await self._wait(lane, received, limits, ahead, told)
        else:
            self._take()
        return Place(self)

    def stop(self, lane: str) -> int:
        """Have the messages of a lane wait no longer; return how many did."""
        stopped = [one for one in self._waiting if one.lane == lane and not one.place.done()]
        for waiter in stopped:
            waiter.place.set_exception(StoppedWaiting("it was stopped before it began"))
        return len(stopped)

    async def _wait(
        self,
        lane: str,
        received: float,
        limits: Limits,
        ahead: int,
        told: Callable[[int], object],
    ) -> None:
        if self.count >= limits.queue:
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
        """Take a place, or give one back."""
        self.running += by
        self._gates.fill()

    def first(self) -> _Waiter | None:
        """Return who waits longest, of those that may have a place of the profile's now."""
        free = (w for w in self._waiting if not w.place.done() and self.running < w.allowed)
        return next(free, None)

    def admit(self) -> None:
        """Give a place to :meth:`first`."""
        if (waiter := self.first()) is not None:
            self._waiting.remove(waiter)
            self._take()
            waiter.place.set_result(None)

    def _take(self) -> None:
        self.running += 1
        self.served = next(self._moments)


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
