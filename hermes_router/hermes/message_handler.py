"""Serve a routed message: its session's worker accepts it, or a notice says why none does."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

from hermes_router.base.errors import (
    CannotBeSent,
    NotWanted,
    ProfileError,
    ShortOfMemory,
    WorkerError,
)
from hermes_router.base.tasks import BackgroundTasks
from hermes_router.config.settings import Settings
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.hermes import owed_notices
from hermes_router.hermes.compat import emergency_stop
from hermes_router.hermes.compat.adapters.own_words import own_words
from hermes_router.hermes.compat.events import (
    in_words,
    inbound_of,
    made_by_hermes,
    place_of,
    source_fields,
)
from hermes_router.hermes.compat.seams import (
    command_rules,
    gateway_runner,
    message_sources,
)
from hermes_router.hermes.conversation import GatewayConversation
from hermes_router.hermes.conversations import Conversations
from hermes_router.hermes.features.adapters.stickers import Stickers
from hermes_router.hermes.message_register import MessageRegister
from hermes_router.observe.book import TurnBook
from hermes_router.profiles import model
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.relay.commands import IN_ORDER, TAKES_BACK, WITHOUT_MODEL
from hermes_router.state.ledger import Entry
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.gate import StoppedWaiting, TooBusy
from hermes_router.turns.notices import (
    not_passed_on,
    short_of_memory,
    stopped_waiting,
    too_many_wait,
)
from hermes_router.turns.turn import Halt, Turn
from hermes_router.turns.worker.event_sender import DeliveryResult, InboundMessage
from hermes_router.turns.worker.event_track import EventTrack, Outcome

logger = logging.getLogger(__name__)

_DRAINED = (
    "⏳ This agent is draining for a maintenance action and isn't accepting new turns right now. "
    "Please resend shortly."
)
_LEFT = (
    "⚠️ Your message was not answered: each time, the assistant of this conversation stopped "
    "unexpectedly before it began. Please send it again."
)
_STOPPED = (
    "⚡ Stopped. The assistant did not react, so it was ended, with all processes that "
    "it had started."
)
_FAILED = (
    "⚠️ Your message was not taken: the router failed. The gateway's log says why. Please send it "
    "again."
)
_SEE_LOG = "the router failed; the gateway's log has the error"
_UNUSABLE = (
    "⚠️ This conversation is routed to profile {profile!r}, which {why}. "
    "Nobody answers here until that is fixed."
)


#: How many workers are tried for a message that waited in a worker that ended.
_ATTEMPTS = 2

#: Numbers the entries in Hermes's table of running agents.
_numbers = itertools.count(1)


class MessageHandler:
    """Serves the routed messages of one gateway: the router passes it each of them.

    ``owed`` is called with the profile of each worker that failed: it may have left replies unsent.
    """

    def __init__(
        self,
        runner: Any,
        watcher: ConfigWatcher,
        dispatcher: Dispatcher,
        conversations: Conversations,
        *,
        book: TurnBook,
        register: MessageRegister,
        stickers: Stickers,
        owed: Callable[[Profile], None],
    ) -> None:
        self._runner = runner
        self._watcher = watcher
        self._dispatcher = dispatcher
        self._conversations = conversations
        self._book = book
        self._register = register
        self._stickers = stickers
        self._owed = owed
        self._tasks = BackgroundTasks("a queued message could not be served")

    async def serve_and_wait(self, event: Any, profile: str) -> None:
        """Serve a message and return when the answer is delivered, or a notice about it.

        Meanwhile the gateway's adapter shows "typing" and treats the session as busy. If this is
        cancelled, the message is served all the same.
        """
        await self._serve_found(event, profile, self._serve_awaited)

    async def _serve_awaited(self, event: Any, conversation: GatewayConversation) -> None:
        if (entry := self._register.cut_off(event)) and not self._is_free(conversation):
            entry.seen.set()  # it is handed over again later, until the session is free
            return
        running = RunningTurn(self._runner, conversation, self._dispatcher)
        busy = self._dispatcher.running(conversation) is not None
        bypasses = busy and command_rules.bypasses_running_turn(event.get_command())
        if bypasses or self._overtakes(event, conversation):
            await self._to_its_end(self._serve_inline(event, conversation))
            return
        with self._conversations.attended(conversation):
            gateway_runner.count_as_running(self._runner, running.key, event.source, running)
            try:
                await self._to_its_end(self._serve_entered(event, conversation, busy=False))
            finally:
                gateway_runner.no_longer_running(self._runner, running.key, running)

    async def _to_its_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for ``work``, which goes on if the wait is cancelled.

        Hermes cancels who waits for a message when it disconnects the platforms. It also does that
        when somebody sends ``/new`` or ``/stop`` in the session that its adapter sees, which may be
        the session of several people and profiles. What a message needs then, the router does.
        """
        await asyncio.shield(self._tasks.start(work))

    async def expect(self, event: Any, profile: str, settings: Settings) -> None:
        """Have a ready worker prepare the session of a message that comes in a moment.

        Nothing is done if its writer has not written there before, so that a stranger costs
        nothing, nor if the message could not begin a turn at once.
        """
        if event.get_command() or self._drain_answer(busy=False) or emergency_stop.paused_reply():
            return
        conversation = await self._conversations.expected(event, profile)
        if conversation is None or not self._dispatcher.is_free(conversation, settings):
            return
        conversation.expects(event)
        message = msg.Expect(
            source=dict(source_fields(event.source)), channel_prompt=own_words(self._runner, event)
        )
        await self._dispatcher.expect(conversation, settings, message)

    async def serve_busy(self, event: Any, profile: str) -> None:
        """Serve a message that came while the adapter's session was busy.

        The turn before it may be over already, so the message is entered into the ledger like any
        other.
        """
        behind = functools.partial(self._serve_entered, busy=True)
        await self._serve_found(event, profile, behind)

    async def _serve_found(
        self,
        event: Any,
        profile: str,
        serve: Callable[[Any, GatewayConversation], Awaitable[None]],
    ) -> None:
        """Find the conversation of a message and call ``serve`` with both, if there is need to.

        If the profile cannot be used, or this fails, a notice says that no worker gets the message.
        """
        try:
            conversation = await self._conversations.of(event, profile)
            if not await self._stopped_waiting(event, conversation):
                await serve(event, conversation)
            elif (entry := self._register.left_open(event)) is not None:
                entry.settle()
        except ProfileError as error:
            notice = _UNUSABLE.format(profile=profile, why=error.message)
            why = model.in_one_line(error)
            await self._refuse(event, profile, notice, outcome="unusable", why=why)
        except Exception:
            logger.exception("a message of profile %s could not be served", profile)
            await self._refuse(event, profile, _FAILED, outcome="router_failed", why=_SEE_LOG)

    async def _refuse(
        self, event: Any, profile: str, notice: str, *, outcome: str, why: str
    ) -> None:
        """Record that no worker gets a message that has no conversation here, and tell its place.

        If an earlier gateway left it open, this is its outcome as soon as the notice was sent.
        """
        entry = self._register.left_open(event)
        if entry is not None:
            entry.take()
        elif made_by_hermes(event):
            return
        turn_id, owed = self._book.untouched(profile, place_of(event.source), outcome, why), None
        try:
            owed = await owed_notices.tell(self._runner, event, f"{notice} [{turn_id}]")
        except Exception:  # boundary: an adapter may raise anything
            logger.exception("hermes-router: a notice could not be sent")
        if entry is None:
            return
        if owed is None:
            entry.settle()
        else:
            self._tasks.start(_settle_when_told(entry, owed))

    async def _stopped_waiting(self, event: Any, conversation: GatewayConversation) -> bool:
        """Take back the messages that wait, if a command says so; return if that is all.

        No worker has those that wait for a slot, or to be served again. They are taken back as
        Hermes takes back what waits in a worker. ``/stop`` has done its work then, if no turn runs;
        ``/new`` goes on in a worker.
        """
        command = command_rules.canonical_command(event.get_command())
        if command not in TAKES_BACK or command_rules.refusal_of(self._runner, event) is not None:
            return False
        again = conversation.again.stop()
        if not self._dispatcher.stop_waiting(conversation) and (
            not again or self._dispatcher.running(conversation) is not None
        ):
            return False  # what runs is stopped by its worker, which says so
        await conversation.tell(stopped_waiting())
        return command == "stop" and self._dispatcher.running(conversation) is None

    def _overtakes(self, event: Any, conversation: GatewayConversation) -> bool:
        """Return True for a command that is served before the messages of its session that wait."""
        return self._at_once(event, conversation) and self._dispatcher.waits(conversation)

    def _at_once(self, event: Any, conversation: GatewayConversation) -> bool:
        """Return True for a command that waits for no turn, and for no message that waits for one.

        A command that changes the session keeps its order among the session's messages.
        """
        command = command_rules.canonical_command(event.get_command())
        waits = self._dispatcher.waits(conversation) or conversation.again.waiting
        if command in IN_ORDER and waits:
            return False
        return command in WITHOUT_MODEL or command in conversation.programs

    def _is_free(self, conversation: GatewayConversation) -> bool:
        """Return True if no turn of the session runs, and no message of it waits.

        A turn that has answered everything does not count. The adapter knows less: neither the
        messages that came behind a turn nor those of other people of the session.
        """
        turn = self._dispatcher.occupant(conversation)
        busy = turn is not None and not turn.resident
        return not (busy or self._dispatcher.waits(conversation) or conversation.again.waiting)

    async def serve_wake(self, event: Any, profile: str) -> bool:
        """Have a worker run a session's due recurring prompts; return False if the session is busy.

        Nobody in a chat waits for this. An error is logged, and the prompts are tried again later.
        """
        try:
            conversation = await self._conversations.of(event, profile)
        except ProfileError:
            return False  # the next message in that place gets the notice
        if not self._is_free(conversation):
            return False
        settings = (await self._watcher.fresh()).settings(profile)
        inbound = InboundMessage(fields={}, source=source_fields(event.source), wake=True)
        running = RunningTurn(self._runner, conversation, self._dispatcher)
        gateway_runner.count_as_running(self._runner, running.key, event.source, running)
        try:
            turn = await self._dispatcher.serve(conversation, inbound, settings)
            await turn.answered.wait()
        except (StoppedWaiting, TooBusy, ShortOfMemory, WorkerError) as error:
            logger.warning("hermes-router: a session was not woken: %s", error)
            return False
        finally:
            gateway_runner.no_longer_running(self._runner, running.key, running)
        return True

    async def _serve_entered(
        self, event: Any, conversation: GatewayConversation, *, busy: bool
    ) -> None:
        """Keep a message in the ledger until it has its outcome, and serve it meanwhile.

        A message that the platform delivers again is not served again.
        """
        entry = await self._register.enter(event, conversation)
        if entry is None:
            return
        track = EventTrack(entry)
        async with self._left_when_done(event, conversation, track):
            turn = await self._serve(event, conversation, track, busy=busy, new=True)
            await self._see_through(event, conversation, track, turn)

    async def _serve_inline(self, event: Any, conversation: GatewayConversation) -> None:
        """Serve a command beside the running turn, until the worker has handled it.

        The adapter takes no other message before that. If the command queued more work, or if the
        worker ended, a background task waits for its outcome, and for the notice.
        """
        entry = await self._register.enter(event, conversation)
        if entry is None:
            return
        track = EventTrack(entry)
        async with self._left_when_done(event, conversation, track) as done:
            if await self._halted(event, conversation, track):
                track.told = True
                return
            turn = await self._serve(event, conversation, track, busy=False, until_handled=True)
            over = track.outcome in {Outcome.ENDED, Outcome.AGAIN}
            if turn is not None and (track.waiting or over):
                rest = done.pop_all()
                self._tasks.start(self._see_rest_through(event, conversation, track, turn, rest))

    async def _see_rest_through(
        self,
        event: Any,
        conversation: GatewayConversation,
        track: EventTrack,
        turn: Turn,
        done: contextlib.AsyncExitStack,
    ) -> None:
        async with done:
            await self._see_through(event, conversation, track, turn)

    @contextlib.asynccontextmanager
    async def _left_when_done(
        self, event: Any, conversation: GatewayConversation, track: EventTrack
    ) -> AsyncIterator[contextlib.AsyncExitStack]:
        """Settle the entry, and remove the adapter's copies of the files, when the block ends.

        If the block fails before the message has its outcome, a notice says so.
        """
        async with contextlib.AsyncExitStack() as done:
            done.push_async_exit(functools.partial(self._left, event, conversation, track))
            done.callback(message_sources.drop_cached_media, event)
            yield done

    async def _left(
        self,
        event: Any,
        conversation: GatewayConversation,
        track: EventTrack,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: object,
    ) -> bool:
        """Settle the entry of a message at the end of the block that served it.

        The block is cancelled only when the process ends: the next gateway then finds the entry as
        it is. Returns True if the block has failed, and all is done that needs to be.
        """
        if error is not None and not isinstance(error, Exception):
            return False
        if error is not None:
            logger.error("hermes-router: a message could not be served", exc_info=error)
            await self._tell_failure(event, conversation, track)
        await self._leave(conversation, track)
        return True

    async def _tell_failure(
        self, event: Any, conversation: GatewayConversation, track: EventTrack
    ) -> None:
        """Say that the router failed with a message, unless it has its outcome or will have one."""
        known = track.told or track.outcome not in {None, Outcome.AGAIN}
        unasked = made_by_hermes(event) and self._register.left_open(event) is None
        if known or unasked or (track.untouched and self._stopping):
            return
        track.told = True
        turn_id = self._untouched(event, conversation, "router_failed", _SEE_LOG)
        try:
            track.owed = await conversation.tell(f"{_FAILED} [{turn_id}]")
        except Exception:  # boundary: an adapter may raise anything
            logger.exception("hermes-router: a notice could not be sent")

    async def _leave(self, conversation: GatewayConversation, track: EventTrack) -> None:
        """Settle the entry of a message, unless a stop of the gateway leaves it open.

        The next gateway then serves an open message, continues it, or sends a notice about it. A
        message whose notice could not be sent yet stays open until then.
        """
        left_open = track.outcome is Outcome.CUT_OFF or (track.untouched and self._stopping)
        if track.entry is None or left_open:
            return
        if track.owed is None:
            await self._register.leave(track.entry, conversation)
        else:
            self._tasks.start(self._leave_when_told(track.entry, track.owed, conversation))

    async def _leave_when_told(
        self, entry: Entry, owed: asyncio.Future[bool], conversation: GatewayConversation
    ) -> None:
        if await asyncio.shield(owed):
            await self._register.leave(entry, conversation)

    @property
    def _stopping(self) -> bool:
        return gateway_runner.shutting_down(self._runner) or self._dispatcher.closing

    async def _see_through(
        self,
        event: Any,
        conversation: GatewayConversation,
        track: EventTrack,
        turn: Turn | None,
    ) -> None:
        """Wait for the outcome of a message that a turn serves.

        If the message only waited in a worker that ended, it is served again, in its order.
        """
        try:
            if not await self._left_waiting(track, turn):
                return
            if await self._served_again(event, conversation, track):
                return
        except StoppedWaiting as error:  # ``/stop`` has its own notice
            track.told = True
            self._untouched(event, conversation, "stopped", error.message)
            return
        track.told = True
        why = "each of its workers ended before it began the message"
        turn_id = self._untouched(event, conversation, "worker_failed", why)
        track.owed = await conversation.tell(f"{_LEFT} [{turn_id}]")

    async def _served_again(
        self, event: Any, conversation: GatewayConversation, track: EventTrack
    ) -> bool:
        """Serve a message that waited in a worker that ended; return False if all ended so.

        Raises:
            StoppedWaiting: a person sent /stop while it waited for those before it.
        """
        async with conversation.again.next_one() as require_wanted:
            for _attempt in range(_ATTEMPTS):
                if gateway_runner.shutting_down(self._runner):
                    return True
                require_wanted()
                track.begin()
                turn = await self._serve(event, conversation, track, busy=False)
                if not await self._left_waiting(track, turn):
                    return True
        return False

    async def _left_waiting(self, track: EventTrack, turn: Turn | None) -> bool:
        """Wait for an outcome; say whether the worker ended before it began with the message.

        After a failed worker, unsent replies of its profile are looked for at once.

        Raises:
            StoppedWaiting: a person's /stop ended the worker, and this message waited in it.
        """
        if turn is None:
            return False
        await track.settled.wait()
        if turn.failure is not None:
            self._owed(turn.conversation.profile)
        if track.outcome is Outcome.AGAIN:
            if track.since < turn.stopped:
                raise StoppedWaiting("it was stopped before it began")
            return True
        await turn.answered.wait()
        if track.outcome is Outcome.ENDED:
            track.owed = turn.owed
        return False

    async def _halted(
        self, event: Any, conversation: GatewayConversation, track: EventTrack
    ) -> bool:
        """Stop the running turn if the message is ``/stop``; return False if nothing was done."""
        stops = command_rules.canonical_command(event.get_command()) == "stop"
        turn = self._dispatcher.commanded(conversation) if stops else None
        if turn is None:
            return False
        allowed = command_rules.allowed_commands(self._runner, event.source)
        outcome = await turn.halt(inbound_of(event, allowed_commands=allowed))
        if outcome is Halt.ENDED:
            track.owed = await conversation.tell(_STOPPED)
        return outcome is not Halt.REFUSED

    async def _serve(
        self,
        event: Any,
        conversation: GatewayConversation,
        track: EventTrack,
        *,
        busy: bool,
        until_handled: bool = False,
        new: bool = False,
    ) -> Turn | None:
        """Have a worker take a message; return None, after a notice, if none did.

        A ``new`` message is taken after those of its session that wait to be served again.
        """
        config = await self._watcher.fresh()
        drained = self._drain_answer(busy=busy) or self._paused_answer(event, conversation)
        settings = config.settings(conversation.profile.name)
        largest = settings.limits.received_bytes
        inbound = inbound_of(
            event,
            allowed_commands=command_rules.allowed_commands(self._runner, event.source),
            channel_prompt=own_words(self._runner, event),
            largest=largest,
            sticker=self._stickers.of(event),
            at_once=self._at_once(event, conversation),
            track=track,
        )
        if drained is None and inbound.too_large:
            names = ", ".join(inbound.too_large)
            notice = f"⚠️ A file may have at most {in_words(largest)} here. Not passed on: {names}"
            if not (event.text or inbound.fields["media_urls"]):
                track.told = True
                why = f"limits.received_bytes: {largest}"
                turn_id = self._untouched(event, conversation, "refused", why)
                track.owed = await conversation.tell(f"{notice} [{turn_id}]")
                return None
            await conversation.notify(notice)
        try:
            if drained is not None:
                track.told = True
                await self._offer_in_drain(event, conversation, inbound, drained)
                return None
            if new and (asking := await self._let_pass(conversation, inbound, settings)):
                return asking
            return await self._dispatcher.serve(
                conversation, inbound, settings, until_handled=until_handled
            )
        except StoppedWaiting as error:  # ``/stop`` has its own notice
            track.told = True
            self._untouched(event, conversation, "stopped", error.message)
        except (CannotBeSent, ShortOfMemory, TooBusy) as error:
            track.told = True
            turn_id = self._untouched(event, conversation, "refused", error.message)
            track.owed = await conversation.tell(_why_refused(error, turn_id))
        except NotWanted as error:  # the next gateway serves the message
            logger.info("hermes-router: a message is left to the next gateway: %s", error)
        except WorkerError as error:
            track.told = True
            turn_id = self._untouched(event, conversation, "start_failed", error.message)
            track.owed = await conversation.tell(
                f"⚠️ Your message could not be accepted. Please send it again. [{turn_id}]"
            )
        return None

    async def _let_pass(
        self, conversation: GatewayConversation, inbound: InboundMessage, settings: Settings
    ) -> Turn | None:
        """Wait until no earlier message of the session waits to be served again.

        One that is being served again does not count: a new message may interrupt it, as any other.
        If that turn asks for an answer, and the message is this answer, return the turn at once.

        Raises:
            TooBusy: too many messages wait already.
            NotWanted: the gateway began to stop meanwhile.
            StoppedWaiting: a person sent /stop meanwhile.
        """
        ahead = conversation.again.waiting
        if inbound.at_once or not ahead:
            return None
        running = self._dispatcher.running(conversation)
        if running is not None and running.waits_for_person:
            verdict = await running.offer(inbound, answer=True)
            if verdict is DeliveryResult.ACCEPTED:
                return running
        if ahead >= max(1, settings.limits.queue):
            raise TooBusy(conversation.profile.name, settings.limits.queue, ahead=ahead + 1)
        async with conversation.again.next_one():
            if self._stopping:
                raise NotWanted("the gateway stops")
        return None

    def _untouched(
        self, event: Any, conversation: GatewayConversation, outcome: str, why: str
    ) -> str:
        """Record a message that no worker took; return the id that the notice names."""
        profile = conversation.profile.name
        return self._book.untouched(profile, place_of(event.source), outcome, why)

    async def _offer_in_drain(
        self, event: Any, conversation: GatewayConversation, inbound: InboundMessage, drained: str
    ) -> None:
        """Begin no turn; offer the message to a running one, else say that the gateway drains.

        A running turn takes a command, or the answer that it waits for.
        """
        running = self._dispatcher.running(conversation)
        command = command_rules.bypasses_running_turn(event.get_command())
        if running is None or (
            await running.offer(inbound, until_handled=True, answer=not command)
            is not DeliveryResult.ACCEPTED
        ):
            self._untouched(event, conversation, "refused", drained)
            inbound.track.owed = await conversation.tell(drained)

    def _paused_answer(self, event: Any, conversation: GatewayConversation) -> str | None:
        """Return Hermes's reply while it is paused; None for commands and for running turns.

        The worker would give this reply too, but a sandbox hides the root's pause file from it.
        """
        running = self._dispatcher.running(conversation)
        if command_rules.is_built_in(event.get_command()) or (
            running is not None and not running.resident
        ):
            return None
        return emergency_stop.paused_reply()

    def _drain_answer(self, *, busy: bool) -> str | None:
        if gateway_runner.shutting_down(self._runner):
            what = "another turn" if busy else "new work"
            doing = gateway_runner.going_down(self._runner)
            return f"⏳ Gateway is {doing} and is not accepting {what} right now."
        return _DRAINED if gateway_runner.drained_externally(self._runner) else None


def _why_refused(error: CannotBeSent | ShortOfMemory | TooBusy, turn_id: str) -> str:
    if isinstance(error, TooBusy):
        return too_many_wait(error.allowed, turn_id, ahead=error.ahead)
    if isinstance(error, ShortOfMemory):
        return short_of_memory(error.free, turn_id)
    return not_passed_on(error.message, turn_id)


async def _settle_when_told(entry: Entry, owed: asyncio.Future[bool]) -> None:
    if await asyncio.shield(owed):
        entry.settle()


class RunningTurn:
    """What Hermes finds for a routed turn in its table of running agents.

    Hermes waits for its end before the gateway stops, lists it, and interrupts it if it must.
    ``key`` is its key in the table. Each message has a key of its own, which no session of Hermes
    has.
    """

    def __init__(
        self, runner: Any, conversation: GatewayConversation, dispatcher: Dispatcher
    ) -> None:
        self._runner = runner
        self._conversation = conversation
        self._dispatcher = dispatcher
        self._tasks = BackgroundTasks()
        self.key = f"hermes-router:{next(_numbers)}:{conversation.profile.name}:{conversation.key}"
        self.session_id = None
        self.model = f"profile {conversation.profile.name}"
        self.profile = conversation.profile

    def interrupt(self, reason: str | None = None) -> None:
        """Have the turn's worker interrupt its work, save its state and end; do not wait.

        Hermes calls this at the gateway's stop, for what takes too long. If background work ends
        with the worker, the conversation is told ``reason``. If the gateway is stopping, the next
        one continues the turn.
        """
        turn = self._dispatcher.occupant(self._conversation)
        if turn is not None:
            resume = gateway_runner.shutting_down(self._runner)
            self._tasks.start(turn.stop(reason or "interrupted", resume=resume))
