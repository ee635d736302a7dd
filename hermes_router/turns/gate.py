"""Limit how many turns run at once, for each profile and for all, and let messages wait.

A *slot* here is the permission to run one turn. A turn that waits for a person does no work: it
gives its slot back, and takes a slot again after the answer. The profile may then run one turn
more than its limit. All of this is used in one event loop.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from hermes_router.base.errors import NotWanted, RouterError
from hermes_router.config.settings import Limits


class TooBusy(RouterError):
    """One more message came when ``allowed`` messages already waited for a profile's workers.

    The message is refused, and a notice tells its sender. ``ahead`` counts the turns that run and
    the messages that wait before it.
    """

    def __init__(self, profile: str, allowed: int, *, ahead: int) -> None:
        super().__init__(f"profile {profile}: too many messages wait (limits.queue: {allowed})")
        self.allowed, self.ahead = allowed, ahead


class StoppedWaiting(RouterError):
    """A person sent /stop or /new while this message waited for its turn: no worker gets it."""


def gateway_stops() -> NotWanted:
    """Return the error that a message gets which could begin no turn, because the gateway stops."""
    return NotWanted("no turn was begun: the gateway stops")


class Waiting(NamedTuple):
    """A message that waits: when it arrived, in monotonic seconds, and where.

    ``where`` is the place as routes spell it, or the session key if there is no place.
    """

    received: float
    where: str


@dataclass(eq=False, slots=True)
class _Waiter:
    lane: str
    message: Waiting
    slot: asyncio.Future[None]


class Gates:
    """The slots of all profiles: at most ``limit`` are taken at the same time; 0 means no limit.

    A free slot goes to the profile that runs the fewest turns. If several run as few, it goes to
    the one whose last slot was given the longest ago. So a busy profile cannot keep a quiet one
    waiting.
    """

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self._turns_of: Callable[[str], int] | None = None
        self._gates: dict[str, Gate] = {}
        self.closed = False

    def resize(self, limit: int, turns_of: Callable[[str], int] | None = None) -> None:
        """Change how many turns of all profiles may run at once; 0 means no limit.

        ``turns_of`` returns the limit of one profile, also for messages that wait already. Turns
        that run already go on, even if they are more than the new limit.
        """
        self._limit, self._turns_of = limit, turns_of
        for gate in self._gates.values():
            gate.resize()
        self.fill()

    def limit_of(self, profile: str, otherwise: int) -> int:
        """Return how many turns of a profile may run at once.

        It is what :meth:`resize` was told; ``otherwise`` if it was told nothing.
        """
        return otherwise if self._turns_of is None else self._turns_of(profile)

    def close(self) -> None:
        """Give no more slots, because the gateway stops: who waits for one gets ``NotWanted``."""
        self.closed = True
        for gate in self._gates.values():
            gate.close()

    def of(self, profile: str) -> Gate:
        """Return the object that limits the turns of this profile; the first call makes it."""
        return self._gates.setdefault(profile, Gate(profile, self))

    @property
    def full(self) -> bool:
        """True if as many turns of all profiles run as may run, so that none may begin."""
        return 0 < self._limit <= sum(gate.running for gate in self._gates.values())

    def fill(self) -> None:
        """Give the free slots to messages that wait, in the order that this class describes.

        Called whenever a slot may have become free.
        """
        while not self.full and (ready := [g for g in self._gates.values() if g.first()]):
            min(ready, key=lambda gate: (gate.running, gate.served)).admit()

    def ahead_of(self, gate: Gate, before: int) -> int:
        """Return how many slots must get free until a message of one profile gets one.

        A notice tells its sender. The message is of the profile of ``gate``, where ``before``
        messages wait ahead of it. This simulates which profiles get the next slots.
        """
        running = {each: each.running for each in self._gates.values()}
        waiting = {each: each.count for each in self._gates.values()}
        waiting[gate] = before + 1
        for given in itertools.count(1):
            waits = [each for each in waiting if waiting[each]]
            chosen = min(waits, key=lambda each: (running[each], each.served))
            if chosen is gate and waiting[gate] == 1:
                return given
            waiting[chosen] -= 1
            running[chosen] += 1
        raise AssertionError


class Gate:
    """Limits the turns of one profile: how many run, and which messages wait for a slot."""

    _moments = itertools.count(1)

    def __init__(self, profile: str, gates: Gates) -> None:
        self._profile = profile
        self._gates = gates
        self._waiting: list[_Waiter] = []
        self._allowed = 0
        self.running = 0
        #: The number of the last slot that this gate gave; all gates count together.
        self.served = 0

    @property
    def count(self) -> int:
        """How many messages of the profile wait for a slot."""
        return len(self._waiting)

    def waiting(self) -> list[Waiting]:
        """Return the messages of the profile that wait for a slot, oldest first."""
        return sorted(waiter.message for waiter in self._waiting)

    def open(self, limits: Limits) -> bool:
        """Return True if a message would get a slot at once.

        ``limits`` are the settings that the message was read with; what :meth:`Gates.resize` was
        told counts first.
        """
        full = self.running >= self._gates.limit_of(self._profile, limits.concurrent_turns)
        return not (full or self._waiting or self._gates.full)

    def resize(self) -> None:
        """Use the limit that holds for the profile now; the caller gives the free slots."""
        self._allowed = self._gates.limit_of(self._profile, self._allowed)

    async def enter(
        self,
        lane: str,
        message: Waiting,
        limits: Limits,
        *,
        at_once: bool,
        told: Callable[[int], object],
    ) -> Slot:
        """Wait for a free slot of the profile and return it; the dispatcher then begins a turn.

        With ``at_once`` (a command that needs no model) a slot is given without waiting, even above
        the limit. If the message has to wait, ``told`` is called once with how many messages are
        ahead of it.

        Raises:
            TooBusy: ``limits.queue`` messages of the profile wait already.
            StoppedWaiting: :meth:`stop` was called for this lane while the message waited.
            NotWanted: the gates are closed, perhaps since the message began to wait.
        """
        if self._gates.closed:
            raise gateway_stops()
        self._allowed = self._gates.limit_of(self._profile, limits.concurrent_turns)
        self._gates.fill()  # the limit may be higher than when the others began to wait
        if not (at_once or self.open(limits)):
            ahead = self._ahead_of(self.count)
            await self._wait(lane, message, limits, ahead, told)
        else:
            self._take()
        return Slot(self)

    def ahead_of(self, lane: str) -> int | None:
        """Return how many turns and messages are ahead of the message that waits in this lane.

        None means that no message of this lane waits for a slot.
        """
        for before, waiter in enumerate(self._waiting):
            if waiter.lane == lane:
                return self._ahead_of(before)
        return None

    def _ahead_of(self, before: int) -> int:
        if self.running >= self._allowed:
            return self.running + before
        return self._gates.ahead_of(self, before)

    def stop(self, lane: str) -> int:
        """Have :meth:`enter` raise ``StoppedWaiting`` for each message that waits in this lane.

        Returns how many messages they were.
        """
        stopped = [one for one in self._waiting if one.lane == lane and not one.slot.done()]
        for waiter in stopped:
            waiter.slot.set_exception(StoppedWaiting("it was stopped before it began"))
        return len(stopped)

    def close(self) -> None:
        """Have :meth:`enter` raise ``NotWanted`` for each message that waits."""
        for waiter in self._waiting:
            if not waiter.slot.done():
                waiter.slot.set_exception(gateway_stops())

    async def _wait(
        self,
        lane: str,
        message: Waiting,
        limits: Limits,
        ahead: int,
        told: Callable[[int], object],
    ) -> None:
        if self.count >= limits.queue:
            raise TooBusy(self._profile, limits.queue, ahead=ahead)
        told(ahead)
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(lane, message, slot)
        self._waiting.append(waiter)
        try:
            await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled() and slot.exception() is None:
                self.change(-1)  # the cancelled task cannot use its slot
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def change(self, by: int) -> None:
        """Count ``by`` more running turns, or one less for -1; then fill the free slots.

        Only :class:`Slot` and this class call it.
        """
        self.running += by
        self._gates.fill()

    def first(self) -> _Waiter | None:
        """Return the oldest message that waits and may get a slot of the profile now, or None.

        This checks the profile's limit only, not the limit for all profiles together.
        """
        if self.running >= self._allowed:
            return None
        return next((each for each in self._waiting if not each.slot.done()), None)

    def admit(self) -> None:
        """Give a slot to the message that :meth:`first` returns; do nothing if that is None.

        :meth:`Gates.fill` calls this when it has chosen this profile.
        """
        if (waiter := self.first()) is not None:
            self._waiting.remove(waiter)
            self._take()
            waiter.slot.set_result(None)

    def _take(self) -> None:
        self.running += 1
        self.served = next(self._moments)


class Slot:
    """The permission of one turn to run. Its profile has ``limits.concurrent_turns`` of these."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._held = True
        self._left = False

    def pause(self, waits: bool) -> None:  # noqa: FBT001 - a callback that is told the new state
        """Give the slot back while the turn ``waits`` for a person; take one again afterwards.

        The turn calls this with True and then with False. It takes a slot again without waiting,
        even above the limit. After :meth:`leave` this does nothing.
        """
        if self._left or waits is not self._held:
            return
        self._held = not waits
        self._gate.change(-1 if waits else 1)

    def leave(self) -> None:
        """Give the slot back, because the turn needs it no more; a second call does nothing.

        The dispatcher calls this when the turn's first answer is delivered, or if no turn was
        begun.
        """
        if self._held and not self._left:
            self._gate.change(-1)
        self._left = True
