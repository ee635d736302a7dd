"""Lanes and turns: which worker a message goes to, and when it has to wait.

A lane is what one session's messages queue in. It is free, or one turn occupies it; messages that
arrive meanwhile go to that turn's worker, whose Hermes interrupts, queues or steers as the profile
is configured. A lane is free again as soon as the reply is delivered and the state saved: the old
worker may finish its post-turn work beside the next turn. Only a worker in which work of the
session lives on keeps the lane.
"""

from __future__ import annotations

import asyncio
import functools
import time
from dataclasses import dataclass, field

import anyio

from hermes_router.config.settings import Settings
from hermes_router.errors import WorkerError
from hermes_router.tasks import BackgroundTasks
from hermes_router.turns.gate import Gates, Place, StoppedWaiting, TooBusy
from hermes_router.turns.notices import has_to_wait
from hermes_router.turns.ports import Conversation, TurnServices
from hermes_router.turns.turn import Turn
from hermes_router.turns.worker.event_sender import DeliveryResult, EventSender
from hermes_router.turns.worker.event_track import Outcome
from hermes_router.workers import launchers

#: Workers that are tried for one message: one may leave just when it is offered.
_ATTEMPTS = 5


@dataclass(slots=True)
class _Lane:
    lock: anyio.Lock = field(default_factory=anyio.Lock)
    turn: Turn | None = None
    stopped: float = 0.0
    """When a person last said /stop to what waits here, monotonic."""


class Dispatcher:
    """Hands messages to workers. One per gateway; lives in the gateway's event loop."""

    def __init__(self, services: TurnServices) -> None:
        self._services = services
        self._lanes: dict[str, _Lane] = {}
        self._gates = Gates()
        self._tasks = BackgroundTasks("a turn failed")
        self._turns: set[Turn] = set()
        self._closing = False

    @property
    def closing(self) -> bool:
        """Say whether all workers are being ended: Hermes itself may say no more that it stops."""
        return self._closing

    @property
    def turns(self) -> frozenset[Turn]:
        """All turns whose workers still live."""
        return frozenset(self._turns)

    def waiting(self, profile: str) -> list[float]:
        """Return when each message came that waits for a free turn of the profile, monotonic."""
        return self._gates.of(profile).waiting()

    def resize(self, turns: int) -> None:
        """Change how many turns of all profiles run at once; 0 is no limit."""
        self._gates.resize(turns)

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
            StoppedWaiting: a person stopped it while it waited; it was not touched.
            WorkerError: worker after worker left without taking the message.
        """
        for _attempt in range(_ATTEMPTS):
            turn = await self._turn_for(conversation, settings, inbound)
            verdict = await turn.offer(inbound, until_handled=until_handled)
            if verdict is DeliveryResult.ACCEPTED:
                return turn
            if turn.told_of(inbound):
                inbound.track.finish(Outcome.ENDED)
                return turn
            if self._closing:
                inbound.track.finish(Outcome.CLOSED)
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
                tasks.start_soon(functools.partial(turn.stop, reason, resume=True))
        await launchers.close()

    # -- lanes ---------------------------------------------------------------------------------

    def stop_waiting(self, conversation: Conversation) -> int:
        """Have no message of a conversation wait any longer; return how many did."""
        lane = self._lanes.get(_lane_key(conversation))
        if lane is None:
            return 0
        stopped = self._gates.of(conversation.profile.name).stop(_lane_key(conversation))
        if stopped:
            lane.stopped = time.monotonic()
            stopped += lane.lock.statistics().tasks_waiting
        return stopped

    async def _turn_for(
        self, conversation: Conversation, settings: Settings, inbound: EventSender
    ) -> Turn:
        lane = self._lanes.setdefault(_lane_key(conversation), _Lane())
        waiting = lane.lock.statistics().tasks_waiting
        if waiting >= max(1, settings.limits.queue):
            profile = conversation.profile.name
            raise TooBusy(profile, settings.limits.queue, ahead=waiting + 1)
        async with lane.lock:
            if inbound.received < lane.stopped:
                raise StoppedWaiting("it was stopped before it began")
            if lane.turn is None or not lane.turn.open:
                place = await self._enter(conversation, settings, inbound)
                lane.turn = Turn(conversation, settings, self._services, received=inbound.received)
                lane.turn.when_waiting(place.pause)
                self._run(lane.turn, place)
            return lane.turn

    def _run(self, turn: Turn, place: Place) -> None:
        self._turns.add(turn)
        self._tasks.start(self._live(turn, place), name=f"hermes-router-turn-{turn.id}")

    async def _live(self, turn: Turn, place: Place) -> None:
        leaving = asyncio.create_task(self._leave(turn, place))
        try:
            await turn.run()
        finally:
            self._turns.discard(turn)
            await leaving
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

    async def _enter(
        self, conversation: Conversation, settings: Settings, inbound: EventSender
    ) -> Place:
        gate = self._gates.of(conversation.profile.name)

        def told(ahead: int) -> None:
            self._tasks.start(conversation.notify(has_to_wait(ahead)))

        return await gate.enter(
            _lane_key(conversation),
            inbound.received,
            settings.limits,
            at_once=inbound.at_once,
            told=told,
        )

    async def _leave(self, turn: Turn, place: Place) -> None:
        """Free the turn's place as soon as its first answer is out."""
        await turn.answered.wait()
        self._services.workers.replenish(turn.conversation.profile.name)
        place.leave()


def _lane_key(conversation: Conversation) -> str:
    return f"{conversation.profile.name}\0{conversation.key}"
