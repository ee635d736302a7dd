"""Lanes and turns: which worker a message goes to, and when it has to wait.

A lane is what one session's messages queue in. It is free, or one turn occupies it; messages that
arrive meanwhile go to that turn's worker, whose Hermes interrupts, queues or steers as the profile
is configured. A lane is free again as soon as the reply is delivered and the state saved: the old
worker may finish its post-turn work beside the next turn. Only a worker in which work of the
session lives on keeps the lane.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

import anyio

from hermes_router.config.settings import Settings
from hermes_router.errors import RouterError, WorkerError
from hermes_router.tasks import BackgroundTasks
from hermes_router.turns.event_sender import DeliveryResult, EventSender
from hermes_router.turns.ports import Conversation, TurnServices
from hermes_router.turns.turn import Turn
from hermes_router.workers import launchers

#: Workers that are tried for one message: one may leave just when it is offered.
_ATTEMPTS = 5


class TooBusy(RouterError):
    """As many messages wait for a profile's workers as ``allowed``, and one more came."""

    def __init__(self, profile: str, allowed: int) -> None:
        super().__init__(f"profile {profile}: a message too many to wait (limits.queue: {allowed})")
        self.allowed = allowed


@dataclass(slots=True)
class _Lane:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    turn: Turn | None = None


@dataclass(slots=True)
class _Gate:
    """Bounds the turns of one profile that run at once, and those that wait."""

    running: int = 0
    waiting: list[float] = field(default_factory=list)
    freed: asyncio.Condition = field(default_factory=asyncio.Condition)


class Dispatcher:
    """Hands messages to workers. One per gateway; lives in the gateway's event loop."""

    def __init__(self, services: TurnServices) -> None:
        self._services = services
        self._lanes: dict[str, _Lane] = {}
        self._gates: defaultdict[str, _Gate] = defaultdict(_Gate)
        self._tasks = BackgroundTasks("a turn failed")
        self._turns: set[Turn] = set()
        self._closing = False

    @property
    def turns(self) -> frozenset[Turn]:
        """All turns whose workers still live."""
        return frozenset(self._turns)

    def waiting(self, profile: str) -> list[float]:
        """Return when each message came that waits for a free turn of the profile, monotonic."""
        gate = self._gates.get(profile)
        return [] if gate is None else sorted(gate.waiting)

    def running(self, conversation: Conversation) -> Turn | None:
        """Return the turn that occupies the conversation's lane, if one does."""
        lane = self._lanes.get(_lane_key(conversation))
        return lane.turn if lane is not None and lane.turn is not None and lane.turn.open else None

    async def serve(
        self,
        conversation: Conversation,
        inbound: EventSender,
        settings: Settings,
        *,
        until_handled: bool = False,
    ) -> Turn:
        """Give a message to the session's worker, starting one where none runs.

        Returns when the worker has taken the message (and handled it, if wanted), or when it is
        certain that it will not be answered: then the people in the chat have been told.

        Raises:
            TooBusy: the profile's queue is full; the message was not touched.
            WorkerError: worker after worker left without taking the message.
        """
        for _attempt in range(_ATTEMPTS):
            turn = await self._turn_for(conversation, settings, inbound.received)
            verdict = await turn.offer(inbound, until_handled=until_handled)
            if verdict is DeliveryResult.ACCEPTED or turn.failure is not None or self._closing:
                return turn
            self._vacate(conversation, turn)
        raise WorkerError(
            f"{_ATTEMPTS} workers left without taking a message",
            profile=conversation.profile.name,
        )

    async def run_job(self, turn: Turn) -> None:
        """Let the worker of a job live; it has no lane and no place among the profile's turns."""
        if self._closing:
            return
        self._turns.add(turn)
        try:
            await turn.run()
        finally:
            self._turns.discard(turn)

    async def close(self, reason: str) -> None:
        """End all workers: interrupted, saved, and gone when this returns."""
        self._closing = True
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._services.workers.close)
            for turn in self._turns:
                tasks.start_soon(turn.stop, reason)
        await launchers.close()

    # -- lanes ---------------------------------------------------------------------------------

    async def _turn_for(
        self, conversation: Conversation, settings: Settings, received: float
    ) -> Turn:
        lane = self._lanes.setdefault(_lane_key(conversation), _Lane())
        async with lane.lock:
            if lane.turn is None or not lane.turn.open:
                await self._enter(conversation.profile.name, settings, received)
                lane.turn = Turn(conversation, settings, self._services, received=received)
                self._run(lane.turn)
            return lane.turn

    def _run(self, turn: Turn) -> None:
        self._turns.add(turn)
        self._tasks.start(self._live(turn), name=f"hermes-router-turn-{turn.id}")

    async def _live(self, turn: Turn) -> None:
        gate = asyncio.create_task(self._leave(turn))
        try:
            await turn.run()
        finally:
            self._turns.discard(turn)
            await gate
            self._forget(turn)

    def _vacate(self, conversation: Conversation, turn: Turn) -> None:
        """Take a turn that accepts nothing more out of its lane."""
        lane = self._lanes.get(_lane_key(conversation))
        if lane is not None and lane.turn is turn:
            lane.turn = None

    def _forget(self, turn: Turn) -> None:
        key = _lane_key(turn.conversation)
        lane = self._lanes.get(key)
        if lane is not None and not lane.lock.locked() and lane.turn in {None, turn}:
            del self._lanes[key]

    # -- how many at once ----------------------------------------------------------------------

    async def _enter(self, profile: str, settings: Settings, received: float) -> None:
        gate = self._gates[profile]
        async with gate.freed:
            if gate.running >= settings.limits.concurrent_turns:
                if len(gate.waiting) >= settings.limits.queue:
                    raise TooBusy(profile, settings.limits.queue)
                gate.waiting.append(received)
                try:
                    await gate.freed.wait_for(
                        lambda: gate.running < settings.limits.concurrent_turns
                    )
                finally:
                    gate.waiting.remove(received)
            gate.running += 1

    async def _leave(self, turn: Turn) -> None:
        """Free the turn's place as soon as its first answer is out."""
        await turn.answered.wait()
        self._services.workers.replenish(turn.conversation.profile.name)
        gate = self._gates[turn.conversation.profile.name]
        async with gate.freed:
            gate.running -= 1
            gate.freed.notify()


def _lane_key(conversation: Conversation) -> str:
    return f"{conversation.profile.name}\0{conversation.key}"
