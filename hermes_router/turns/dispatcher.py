"""The dispatcher: it decides which worker gets a message, and when a message has to wait.

A lane is the queue of one session's messages. A lane is free, or one turn occupies it. Messages
that arrive during the turn go to its worker. Hermes in that worker interrupts its work for them,
queues them, or adds them to the work, as the profile is configured. A lane is free again as soon as
the worker has delivered its reply, saved its state, and accepts no more messages. It may then
finish its post-turn work while the next turn runs. A worker keeps the lane only if background work
of the session goes on in it.

A person has one session with several bots. A turn speaks by one of them, so a message to another
bot waits until the turn has answered. A command that needs no model does not wait: the turn's
worker gets it, because the turn may be waiting for just that command.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterator

import anyio

from hermes_router.base.errors import NotWanted, WorkerError, WorkerStartError
from hermes_router.base.tasks import BackgroundTasks
from hermes_router.config.settings import Settings
from hermes_router.protocol import messages as msg
from hermes_router.relay.delivery_policy import spelled
from hermes_router.turns.gate import (
    Gates,
    Slot,
    StoppedWaiting,
    TooBusy,
    Waiting,
    gateway_stops,
)
from hermes_router.turns.head_start import HeadStart
from hermes_router.turns.lane import Lane
from hermes_router.turns.notices import answered_elsewhere, has_to_wait
from hermes_router.turns.ports import Conversation, TurnServices
from hermes_router.turns.turn import Turn
from hermes_router.turns.voice import Voice
from hermes_router.turns.worker.event_sender import DeliveryResult, InboundMessage
from hermes_router.turns.worker.event_track import Outcome
from hermes_router.workers import launchers

logger = logging.getLogger(__name__)

#: How many workers are tried for one message: a worker may leave just when it gets the message.
_ATTEMPTS = 5

#: Seconds for which a worker that was told of a message waits for it.
_EXPECTED_SECONDS = 2.0


class Dispatcher:
    """Gives each routed message to a worker. A gateway has one, used in its event loop."""

    def __init__(self, services: TurnServices) -> None:
        self._services = services
        self._lanes: dict[str, Lane] = {}
        self._gates = Gates()
        self._expected: dict[str, HeadStart] = {}
        self._tasks = BackgroundTasks("a turn failed")
        self._turns: set[Turn] = set()

    @property
    def closing(self) -> bool:
        """True since :meth:`begin_no_more` or :meth:`close` was called: the gateway stops.

        Callers need it beside Hermes's own flag, which Hermes may clear before the stop is
        complete.
        """
        return self._gates.closed

    @property
    def turns(self) -> frozenset[Turn]:
        """All turns and jobs that have not ended, also those whose worker is not started yet.

        The status shows them, and the gateway's stop ends them.
        """
        return frozenset(self._turns)

    def waiting(self, profile: str) -> list[Waiting]:
        """Return the messages of a profile that no worker works on yet, the oldest first.

        The status shows them. Such a message waits for a slot, behind an earlier message of its
        session, or in a worker that answers an earlier message.
        """
        turns = [turn for turn in self.turns if turn.conversation.profile.name == profile]
        in_turns = [
            Waiting(since, _where(turn.conversation)) for turn in turns for since in turn.waiting
        ]
        lanes = [lane for key, lane in self._lanes.items() if _profile_of(key) == profile]
        behind = [message for lane in lanes for message in lane.behind]
        return sorted([*self._gates.of(profile).waiting(), *behind, *in_turns])

    def waiting_for_slot(self, profile: str) -> int:
        """Return how many messages of the profile wait for a slot: the permission to run a turn."""
        return self._gates.of(profile).count

    def resize(self, turns: int, turns_of: Callable[[str], int]) -> None:
        """Set how many turns of all profiles together may run at once; 0 means no limit.

        The router calls this with each new configuration. ``turns_of`` returns how many of one
        profile may. It holds for messages that wait, too; turns that run already go on.
        """
        self._gates.resize(turns, turns_of)

    def running(self, conversation: Conversation) -> Turn | None:
        """Return the turn whose worker accepts messages of this conversation now, or None.

        The turn may have answered everything and stay only for background work. A turn that speaks
        by another bot of the same session does not count: then this returns None.
        """
        lane = self._lanes.get(_lane_key(conversation))
        return None if lane is None else lane.turn_for(conversation)

    def occupant(self, conversation: Conversation) -> Turn | None:
        """Return the turn whose worker accepts messages of this session, or None.

        Other than :meth:`running`, this also returns a turn that speaks by another bot of the
        session.
        """
        lane = self._lanes.get(_lane_key(conversation))
        return None if lane is None else lane.open_turn()

    async def serve(
        self,
        conversation: Conversation,
        inbound: InboundMessage,
        settings: Settings,
        *,
        until_handled: bool = False,
    ) -> Turn:
        """Give a message to the session's worker; start a worker if none runs.

        This returns when the worker has accepted the message; with ``until_handled``, when the
        worker has also handled it. It also returns when the message will certainly not be
        answered; then a notice has told the people in the chat, unless the gateway stops.

        Raises:
            TooBusy: the profile's queue is full, or as many messages wait behind the session's
                turn. No worker got the message.
            ShortOfMemory: the machine has too little memory for a turn. No worker got the message.
            StoppedWaiting: a person sent /stop while the message waited, also for the start of its
                worker. No worker got it.
            CannotBeSent: it is too long, or one of its files cannot be read. No worker got it.
            NotWanted: the gateway stops, and the message waited for its turn. No worker got it.
            WorkerStartError: no turn could be begun, because this process may open no more files.
            WorkerError: five workers, one after the other, left without accepting the message.
        """
        told = self._tells_once(conversation)
        for _attempt in range(_ATTEMPTS):
            turn = await self._turn_for(conversation, settings, inbound, told)
            verdict = await self._offer(turn, inbound, settings, until_handled=until_handled)
            if verdict is DeliveryResult.ACCEPTED:
                return turn
            if turn.told_of(inbound):
                inbound.track.finish(Outcome.ENDED)
                return turn
            if self.closing or turn.left_to_next:
                inbound.track.finish(Outcome.CLOSED)
                return turn
            if inbound.received < turn.stopped:
                raise StoppedWaiting("it was stopped before it began")
            self._vacate(turn)
        raise WorkerError(
            f"{_ATTEMPTS} workers ended without accepting the message",
            profile=conversation.profile.name,
        )

    async def _offer(
        self, turn: Turn, inbound: InboundMessage, settings: Settings, *, until_handled: bool
    ) -> DeliveryResult:
        """Offer a message to a turn; if enough wait behind it, only as the answer it waits for."""
        queue, behind = settings.limits.queue, turn.behind
        if inbound.at_once or behind < max(1, queue):
            return await turn.offer(inbound, until_handled=until_handled)
        refusal = TooBusy(turn.conversation.profile.name, queue, ahead=behind + 1)
        if not turn.connected:
            raise refusal
        verdict = await turn.offer(inbound, until_handled=until_handled, answer=True)
        if verdict is DeliveryResult.REFUSED and turn.open:
            raise refusal
        return verdict

    def is_free(self, conversation: Conversation, settings: Settings) -> bool:
        """Return True if a message of the conversation would begin a turn at once.

        False: a turn occupies its lane, all slots are taken, or the gateway stops.
        """
        lane = self._lanes.get(_lane_key(conversation))
        occupied = lane is not None and (lane.lock.locked() or lane.open_turn())
        gate = self._gates.of(conversation.profile.name)
        return not (self.closing or occupied) and gate.open(settings.limits)

    async def expect(
        self, conversation: Conversation, settings: Settings, message: msg.Expect
    ) -> None:
        """Tell a ready worker its session, because an adapter is about to hand on a message of it.

        Nothing is done if the message could not begin a turn at once, or if no worker is ready. If
        the message comes, its turn takes this worker. If it does not come within 2 s, the worker is
        ended; this returns only then.
        """
        key = _lane_key(conversation)
        if key in self._expected or not self.is_free(conversation, settings):
            return
        head_start = HeadStart.of(conversation, settings, self._services)
        if head_start is None:
            return
        self._expected[key] = head_start
        try:
            await head_start.tell(conversation, settings, message)
            await anyio.sleep(_EXPECTED_SECONDS)
        finally:
            if self._expected.get(key) is head_start:
                del self._expected[key]
                logger.debug("turn %s: its message did not come", head_start.turn_id)
            self._services.workers.give_up(head_start.worker)

    async def run_job(self, turn: Turn) -> None:
        """Run the turn of a cron job or of maintenance, and return when its worker has ended.

        A job waits for no lane and takes no slot. If the gateway stops already, this returns at
        once and does nothing. How the job ended is in the turn: this raises no error of a worker.
        """
        if self.closing:
            return
        self._turns.add(turn)
        try:
            await turn.run()
        finally:
            self._turns.discard(turn)

    def begin_no_more(self) -> None:
        """Begin no further turn, because the gateway stops; what runs goes on.

        For each message that waits for its turn, :meth:`serve` raises ``NotWanted``.
        """
        self._gates.close()

    async def close(self, reason: str) -> None:
        """End all workers, because the gateway stops; return when all have exited.

        Each worker interrupts its work and saves its state before it exits. One that has not exited
        after ``timeouts.stop`` seconds is killed. If background work ends with a worker, the notice
        says ``reason``.
        """
        self.begin_no_more()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._services.workers.close)
            for turn in self._turns:
                tasks.start_soon(functools.partial(turn.stop, reason, resume=True))
        await launchers.close()

    # -- lanes ---------------------------------------------------------------------------------

    def waits(self, conversation: Conversation) -> bool:
        """Return True if a message of the conversation waits, or would wait, for others.

        It waits for a slot, or for a turn that speaks by another bot. The message handler asks
        this, because a command may go ahead of such messages.
        """
        key = _lane_key(conversation)
        lane = self._lanes.get(key)
        if lane is not None and lane.elsewhere(conversation) is not None:
            return True
        return self._gates.of(conversation.profile.name).ahead_of(key) is not None

    def stop_waiting(self, conversation: Conversation) -> int:
        """Drop the messages of a conversation that wait for their turn; return how many.

        The message handler calls this for /stop and /new. For each of them :meth:`serve` raises
        ``StoppedWaiting``. A turn that runs goes on.
        """
        lane = self._lanes.get(_lane_key(conversation))
        if lane is None:
            return 0
        self._gates.of(conversation.profile.name).stop(_lane_key(conversation))
        lane.stopped = time.monotonic()
        return lane.users - len(lane.aside) + lane.stop_aside(conversation)

    def commanded(self, conversation: Conversation) -> Turn | None:
        """Return the turn whose worker gets a command of the conversation at once, or None.

        None means that no turn accepts it: the command needs a turn of its own. If the turn speaks
        by another bot, a notice in the command's chat says that the answer comes from that bot.
        """
        lane = self._lanes.get(_lane_key(conversation))
        if lane is None:
            return None
        other = lane.elsewhere(conversation)
        if other is not None:
            self._tasks.start(conversation.notify(answered_elsewhere()))
        return other or lane.joined(conversation)

    async def _turn_for(
        self,
        conversation: Conversation,
        settings: Settings,
        inbound: InboundMessage,
        told: Callable[[int], object],
    ) -> Turn:
        with self._lane_of(conversation) as lane:
            while True:
                turn = await self._turn_in(lane, conversation, settings, inbound, told)
                if turn is not None:
                    return turn
                if (other := lane.elsewhere(conversation)) is not None:
                    told(1 + len(lane.aside))
                    await lane.until_settled(other, conversation, _waiting(conversation, inbound))

    @contextlib.contextmanager
    def _lane_of(self, conversation: Conversation) -> Iterator[Lane]:
        """Give the block the lane of a conversation; forget a lane that is empty after that."""
        key = _lane_key(conversation)
        lane = self._lanes.setdefault(key, Lane())
        lane.users += 1
        try:
            yield lane
        finally:
            lane.users -= 1
            self._forget_empty(key)

    async def _turn_in(
        self,
        lane: Lane,
        conversation: Conversation,
        settings: Settings,
        inbound: InboundMessage,
        told: Callable[[int], object],
    ) -> Turn | None:
        """Return a turn for a message when it is next in its lane.

        Returns None if a turn that speaks by another bot is answering then, or about to.
        """
        waiting = lane.lock.statistics().tasks_waiting + len(lane.aside)
        first = self._gates.of(conversation.profile.name).ahead_of(_lane_key(conversation))
        if inbound.at_once and (first is not None or lane.elsewhere(conversation) is not None):
            return await self._turn_beside(lane, conversation, settings, inbound)
        if waiting >= max(1, settings.limits.queue):
            profile = conversation.profile.name
            raise TooBusy(profile, settings.limits.queue, ahead=waiting + 1)
        if first is not None:
            told(first + 1 + waiting)
        async with lane.next_one(_waiting(conversation, inbound)):
            if inbound.received < lane.stopped:
                raise StoppedWaiting("it was stopped before it began")
            if lane.open_turn() is not None:
                return lane.joined(conversation)
            slot = await self._enter(conversation, settings, inbound, told)
            return await self._begin_when_free(lane, slot, conversation, settings, inbound)

    async def _turn_beside(
        self, lane: Lane, conversation: Conversation, settings: Settings, inbound: InboundMessage
    ) -> Turn:
        """Return a turn for a command beside a message of its session that waits for a slot.

        If there is a turn already, also by another bot, its worker gets the command.
        """
        running = self.commanded(conversation)
        if running is not None:
            return running
        slot = await self._enter(conversation, settings, inbound, lambda _ahead: None)
        return await self._begin_when_free(lane, slot, conversation, settings, inbound)

    async def _begin_when_free(
        self,
        lane: Lane,
        slot: Slot,
        conversation: Conversation,
        settings: Settings,
        inbound: InboundMessage,
    ) -> Turn:
        """Begin a turn when no command's turn occupies the lane; see :meth:`_turn_beside`.

        If background work of the session goes on in that turn's worker, leave the slot and return
        that turn: the message belongs there. A message by another bot may go there first.

        Raises:
            StoppedWaiting: a person sent /stop after this message.
        """
        with contextlib.ExitStack() as unless_used:
            unless_used.callback(slot.leave)
            while (turn := lane.open_turn()) is not None:
                if turn.resident and (joined := lane.joined(conversation)) is not None:
                    return joined
                await turn.until_settled()
            if inbound.received < lane.stopped and not inbound.at_once:
                raise StoppedWaiting("it was stopped before it began")
            unless_used.pop_all()
        return self._begin(lane, slot, conversation, settings, inbound)

    def _begin(
        self,
        lane: Lane,
        slot: Slot,
        conversation: Conversation,
        settings: Settings,
        inbound: InboundMessage,
    ) -> Turn:
        with contextlib.ExitStack() as unless_begun:
            unless_begun.callback(slot.leave)
            if self.closing:  # the stop ended a turn, whose slot this message got
                inbound.track.finish(Outcome.CLOSED)
                raise gateway_stops()
            voice = Voice(conversation)
            turn = self._new_turn(voice, settings, inbound)
            unless_begun.pop_all()
        lane.turn, lane.voice = turn, voice
        turn.when_waiting(slot.pause)
        self._turns.add(turn)
        self._tasks.start(self._live(turn, slot), name=f"hermes-router-turn-{turn.id}")
        return turn

    def _new_turn(
        self, conversation: Conversation, settings: Settings, inbound: InboundMessage
    ) -> Turn:
        try:
            return Turn(
                conversation,
                settings,
                self._services,
                received=inbound.received,
                head_start=self._take_head_start(conversation),
            )
        except OSError as error:  # no further descriptor: modules are imported when first used
            raise WorkerStartError(
                f"no turn could be begun: {error}", profile=conversation.profile.name
            ) from error

    def _take_head_start(self, conversation: Conversation) -> HeadStart | None:
        head_start = self._expected.pop(_lane_key(conversation), None)
        if head_start is not None:
            head_start.taken = True
        return head_start

    async def _live(self, turn: Turn, slot: Slot) -> None:
        leaving = asyncio.create_task(self._leave(turn, slot))
        try:
            await turn.run()
        finally:
            self._turns.discard(turn)
            await leaving
            self._vacate(turn)

    def _vacate(self, turn: Turn) -> None:
        """Free the lane of a turn that accepts no more messages."""
        key = _lane_key(turn.conversation)
        lane = self._lanes.get(key)
        if lane is not None and lane.turn is turn:
            lane.turn = lane.voice = None
            self._forget_empty(key)

    def _forget_empty(self, key: str) -> None:
        lane = self._lanes[key]
        if lane.turn is None and not lane.users:
            del self._lanes[key]

    # -- how many at once ----------------------------------------------------------------------

    async def _enter(
        self,
        conversation: Conversation,
        settings: Settings,
        inbound: InboundMessage,
        told: Callable[[int], object],
    ) -> Slot:
        if not inbound.at_once:
            await self._services.workers.make_room()
        try:
            return await self._gates.of(conversation.profile.name).enter(
                _lane_key(conversation),
                _waiting(conversation, inbound),
                settings.limits,
                at_once=inbound.at_once,
                told=told,
            )
        except NotWanted:
            inbound.track.finish(Outcome.CLOSED)
            raise

    def _tells_once(self, conversation: Conversation) -> Callable[[int], None]:
        """Return a function that tells one message's chat how many are ahead of it, once."""
        untold = [conversation.notify]

        def told(ahead: int) -> None:
            if untold:
                self._tasks.start(untold.pop()(has_to_wait(ahead)))

        return told

    async def _leave(self, turn: Turn, slot: Slot) -> None:
        """Give the turn's slot back as soon as its first answer is delivered."""
        await turn.answered.wait()
        self._services.workers.replenish(turn.conversation.profile.name)
        slot.leave()


def _waiting(conversation: Conversation, inbound: InboundMessage) -> Waiting:
    return Waiting(inbound.received, _where(conversation))


def _where(conversation: Conversation) -> str:
    origin = conversation.sender.origin
    return conversation.key if origin is None else spelled(origin)


def _lane_key(conversation: Conversation) -> str:
    return f"{conversation.profile.name}\0{conversation.key}"


def _profile_of(lane_key: str) -> str:
    return lane_key.partition("\0")[0]
