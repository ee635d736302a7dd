"""Serving a routed message: it goes to its session's worker, or people are told why it does not."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from hermes_router.config.watcher import ConfigWatcher
from hermes_router.errors import RouterError, WorkerError
from hermes_router.hermes.compat import emergency_stop, seams
from hermes_router.hermes.compat.adapters.own_words import own_words
from hermes_router.hermes.compat.events import in_words, inbound_of, place_of, source_fields
from hermes_router.hermes.conversation import GatewayConversation
from hermes_router.hermes.conversations import Conversations
from hermes_router.hermes.features.adapters.stickers import Stickers
from hermes_router.hermes.message_register import MessageRegister
from hermes_router.observe.book import TurnBook
from hermes_router.profiles.model import Profile
from hermes_router.relay.commands import WITHOUT_MODEL
from hermes_router.tasks import BackgroundTasks
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.gate import StoppedWaiting, TooBusy
from hermes_router.turns.notices import stopped_waiting, too_many_wait
from hermes_router.turns.turn import Halt, Turn
from hermes_router.turns.worker.event_sender import DeliveryResult, EventSender
from hermes_router.turns.worker.event_track import EventTrack, Outcome

logger = logging.getLogger(__name__)

_DRAINED = (
    "⏳ This agent is draining for a maintenance action and isn't accepting new turns right now. "
    "Please resend shortly."
)
_LEFT = (
    "⚠️ Your message was not answered: the assistant of this conversation stopped unexpectedly each "
    "time before it began with it. Please send it again."
)
_STOPPED = "⚡ Stopped. The assistant did not react and was ended, with all that it had started."


#: Workers that are tried for a message that waited in one that ended.
_ATTEMPTS = 2


class MessageHandler:
    """Serves the routed messages of one gateway; ``owed`` hears of profiles whose worker failed."""

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
        """Serve a message and return when the answer is delivered.

        Meanwhile the gateway's adapter shows "typing" and takes the session for busy.
        """
        conversation = await self._conversations.of(event, profile)
        if conversation is None:
            return
        if await self._stopped_waiting(event, conversation):
            return
        key = self._runner._session_key_for_source(event.source)
        running = RunningTurn(self._runner, conversation, self._dispatcher)
        inline = self._dispatcher.running(conversation) is not None and seams.bypasses_running_turn(
            event.get_command()
        )
        if inline:
            await self._serve_inline(event, conversation)
            return
        with self._conversations.attended(conversation):
            seams.count_as_running(self._runner, key, event.source, running)
            try:
                await self._serve_entered(event, conversation, busy=False)
            finally:
                seams.no_longer_running(self._runner, key, running)

    async def serve_busy(self, event: Any, profile: str) -> None:
        """Serve a message that the adapter takes for one more of a session that is busy.

        The turn before it may be over all the same: it is noted like any other message.
        """
        conversation = await self._conversations.of(event, profile)
        if conversation is None or await self._stopped_waiting(event, conversation):
            return
        await self._serve_entered(event, conversation, busy=True)

    async def _stopped_waiting(self, event: Any, conversation: GatewayConversation) -> bool:
        """Take back what waits for a place if that is what the message says; say whether it was."""
        if seams.canonical_command(event.get_command()) != "stop":
            return False
        if self._dispatcher.running(conversation) is not None:
            return False
        if seams.refusal_of(self._runner, event) is not None:
            return False
        if not self._dispatcher.stop_waiting(conversation):
            return False
        await conversation.notify(stopped_waiting())
        return True

    async def serve_wake(self, event: Any, profile: str) -> bool:
        """Have a session's recurring prompts looked at; False if the session is busy.

        Nobody waits for that: what goes wrong is in the logs, and the next time comes.
        """
        conversation = await self._conversations.of(event, profile)
        turn = None if conversation is None else self._dispatcher.running(conversation)
        if conversation is None or (turn is not None and not turn.resident):
            return False
        settings = (await self._watcher.fresh()).settings(profile)
        inbound = EventSender(fields={}, source=source_fields(event.source), wake=True)
        key = self._runner._session_key_for_source(event.source)
        running = RunningTurn(self._runner, conversation, self._dispatcher)
        seams.count_as_running(self._runner, key, event.source, running)
        try:
            turn = await self._dispatcher.serve(conversation, inbound, settings)
            await turn.answered.wait()
        except (TooBusy, WorkerError) as error:
            logger.warning("hermes-router: a session was not woken: %s", error)
            return False
        finally:
            seams.no_longer_running(self._runner, key, running)
        return True

    async def _serve_entered(
        self, event: Any, conversation: GatewayConversation, *, busy: bool
    ) -> None:
        """Serve a message that stands in the ledger until it has its outcome.

        One that the platform delivers again is not served.
        """
        entry = await self._register.enter(event, conversation)
        if entry is None:
            return
        track = EventTrack(entry)
        async with self._left_when_done(event, conversation, track):
            turn = await self._serve(event, conversation, track, busy=busy)
            await self._see_through(event, conversation, track, turn)

    async def _serve_inline(self, event: Any, conversation: GatewayConversation) -> None:
        """Serve a command for the turn that runs, until the worker has handled it.

        The adapter takes nothing more before that. What the command has queued is seen through
        in the background.
        """
        entry = await self._register.enter(event, conversation)
        if entry is None:
            return
        track = EventTrack(entry)
        async with self._left_when_done(event, conversation, track) as done:
            if await self._halted(event, conversation):
                track.told = True
                return
            turn = await self._serve(event, conversation, track, busy=False, until_handled=True)
            if turn is not None and track.waiting:
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
        """Settle the entry, and drop the adapter's copies of the files, when the block ends."""
        async with contextlib.AsyncExitStack() as done:
            done.push_async_callback(self._leave, conversation, track)
            done.callback(seams.drop_cached_media, event)
            yield done

    async def _leave(self, conversation: GatewayConversation, track: EventTrack) -> None:
        """Settle the entry of a message; one that a stop of the gateway leaves open is kept.

        The next gateway serves it, goes on with it, or tells people.
        """
        stopping = seams.shutting_down(self._runner) or self._dispatcher.closing
        left_open = track.outcome is Outcome.CUT_OFF or (track.untouched and stopping)
        if track.entry is None or left_open:
            return
        await self._register.leave(track.entry, conversation)

    async def _see_through(
        self,
        event: Any,
        conversation: GatewayConversation,
        track: EventTrack,
        turn: Turn | None,
    ) -> None:
        """Wait for the outcome of a message that a turn serves.

        If it only waited in a worker that ended, it is served again, in its order.
        """
        if not await self._left_waiting(track, turn):
            return
        async with conversation.left_waiting:
            for _attempt in range(_ATTEMPTS):
                if seams.shutting_down(self._runner):
                    return
                track.begin()
                turn = await self._serve(event, conversation, track, busy=False)
                if not await self._left_waiting(track, turn):
                    return
        track.told = True
        await conversation.notify(_LEFT)

    async def _left_waiting(self, track: EventTrack, turn: Turn | None) -> bool:
        """Wait for an outcome; say whether the worker ended before it began with the message.

        What is owed by a worker that failed is looked for at once.
        """
        if turn is None:
            return False
        await track.settled.wait()
        if turn.failure is not None:
            self._owed(turn.conversation.profile)
        if track.outcome is Outcome.AGAIN:
            return True
        await turn.answered.wait()
        return False

    async def _halted(self, event: Any, conversation: GatewayConversation) -> bool:
        """Have a running turn stop if that is what the message says; False if it is not done."""
        turn = self._dispatcher.running(conversation)
        if turn is None or seams.canonical_command(event.get_command()) != "stop":
            return False
        refusal = seams.refusal_of(self._runner, event)
        outcome = await turn.halt(inbound_of(event, refusal=refusal))
        if outcome is Halt.ENDED:
            await conversation.notify(_STOPPED)
        return outcome is not Halt.REFUSED

    async def _serve(
        self,
        event: Any,
        conversation: GatewayConversation,
        track: EventTrack,
        *,
        busy: bool,
        until_handled: bool = False,
    ) -> Turn | None:
        """Have a worker take a message; None if none did, and people have been told."""
        config = await self._watcher.fresh()
        drained = self._drain_answer(busy=busy) or self._paused_answer(event, conversation)
        settings = config.settings(conversation.profile.name)
        largest = settings.limits.received_bytes
        inbound = inbound_of(
            event,
            refusal=seams.refusal_of(self._runner, event),
            channel_prompt=own_words(self._runner, event),
            largest=largest,
            sticker=self._stickers.of(event),
            at_once=seams.canonical_command(event.get_command()) in WITHOUT_MODEL,
            track=track,
        )
        if drained is not None:
            track.told = True
            await self._offer_in_drain(event, conversation, inbound, drained)
            return None
        if inbound.too_large:
            names = ", ".join(inbound.too_large)
            await conversation.notify(
                f"⚠️ Files may have {in_words(largest)} here. Not passed on: {names}"
            )
            if not (event.text or inbound.fields["media_urls"]):
                track.told = True
                return None
        try:
            return await self._dispatcher.serve(
                conversation, inbound, settings, until_handled=until_handled
            )
        except StoppedWaiting as error:  # whoever said so has been told
            track.told = True
            self._untouched(event, conversation, "stopped", error)
        except TooBusy as error:
            track.told = True
            turn_id = self._untouched(event, conversation, "refused", error)
            await conversation.notify(too_many_wait(error.allowed, turn_id, ahead=error.ahead))
        except WorkerError as error:
            track.told = True
            turn_id = self._untouched(event, conversation, "start_failed", error)
            await conversation.notify(
                f"⚠️ Your message was not taken. Please send it again. [{turn_id}]"
            )
        return None

    def _untouched(
        self, event: Any, conversation: GatewayConversation, outcome: str, error: RouterError
    ) -> str:
        """Note a message that no worker got; return the id that people are told."""
        profile = conversation.profile.name
        return self._book.untouched(profile, place_of(event.source), outcome, error.message)

    async def _offer_in_drain(
        self, event: Any, conversation: GatewayConversation, inbound: EventSender, drained: str
    ) -> None:
        """Begin nothing new: a turn that runs may take a command, or the answer that it awaits."""
        running = self._dispatcher.running(conversation)
        command = seams.bypasses_running_turn(event.get_command())
        if running is None or (
            await running.offer(inbound, until_handled=True, answer=not command)
            is not DeliveryResult.ACCEPTED
        ):
            await conversation.notify(drained)

    def _paused_answer(self, event: Any, conversation: GatewayConversation) -> str | None:
        """Return what Hermes says while it is paused; commands and turns that run are let through.

        The worker would say it too, but a sandbox hides the root's stop from it.
        """
        running = self._dispatcher.running(conversation)
        if seams.is_built_in(event.get_command()) or (running is not None and not running.resident):
            return None
        return emergency_stop.paused_reply()

    def _drain_answer(self, *, busy: bool) -> str | None:
        if seams.shutting_down(self._runner):
            what = "another turn" if busy else "new work"
            return (
                f"⏳ Gateway is {self._runner._status_action_gerund()} and is not accepting {what} "
                "right now."
            )
        return _DRAINED if seams.drained_externally(self._runner) else None


class RunningTurn:
    """Stands for a routed turn where Hermes keeps the agents that run."""

    def __init__(
        self, runner: Any, conversation: GatewayConversation, dispatcher: Dispatcher
    ) -> None:
        self._runner = runner
        self._conversation = conversation
        self._dispatcher = dispatcher
        self._tasks = BackgroundTasks()
        self.session_id = None
        self.model = f"profile {conversation.profile.name}"
        self.profile = conversation.profile

    def interrupt(self, reason: str | None = None) -> None:
        """Interrupt the turn: its worker saves, says its last words, and leaves."""
        turn = self._dispatcher.running(self._conversation)
        if turn is not None:
            resume = seams.shutting_down(self._runner)
            self._tasks.start(turn.stop(reason or "interrupted", resume=resume))
