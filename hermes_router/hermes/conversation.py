"""A routed conversation as its turns see it: the real adapter behind a relay."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import msgspec

from hermes_router.config.model import RouterConfig
from hermes_router.hermes import owed_notices
from hermes_router.hermes.compat.adapters import asked
from hermes_router.hermes.compat.adapters.own_words import own_words
from hermes_router.hermes.compat.events import (
    event_fields,
    kept_source,
    place_of,
    place_to_route,
    source_fields,
)
from hermes_router.hermes.compat.seams import (
    command_rules,
    gateway_runner,
    message_sources,
    sending,
)
from hermes_router.hermes.features import deadlines
from hermes_router.hermes.features.adapters import prompts
from hermes_router.hermes.features.adapters.menus import ChatMenus
from hermes_router.hermes.features.adapters.own_place import kept_in
from hermes_router.hermes.served_again import ServedAgain
from hermes_router.jobs.wakeups import Wakeups
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.relay import attempts
from hermes_router.relay.attachments import Spool
from hermes_router.relay.capabilities import ask_capabilities, method_parameters
from hermes_router.relay.delivery_policy import Sender, may_open_thread
from hermes_router.relay.prompts import Ask
from hermes_router.relay.relay import Relay, RelayTarget, not_connected, says_whether_sent
from hermes_router.state.open_works import OpenWorks

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notes:
    """What the next gateway must know of conversations, in files of the gateway's home.

    ``works`` is the background work that goes on in workers. ``wakeups`` is when a session's
    recurring prompts are due.
    """

    works: OpenWorks
    wakeups: Wakeups


@dataclass(frozen=True, slots=True)
class SessionName:
    """Which session of a profile a conversation has; :class:`Conversations` computes it.

    Attributes:
        key: Hermes's key of the session.
        bot: the profile whose own bot it is with, None for the gateway's bot.
        personal: True if another user of the same place has another session.
    """

    key: str
    bot: str | None = None
    personal: bool = False


class GatewayConversation:
    """One session of a routed profile on one platform, with one bot, as its turns use it.

    :class:`Conversations` makes and keeps it. ``config`` returns the current configuration, or None
    if none could be read. ``attended`` returns True while the gateway's adapter shows "typing"
    there.
    """

    def __init__(
        self,
        runner: Any,
        profile: Profile,
        session: SessionName,
        *,
        config: Callable[[], RouterConfig | None],
        attended: Callable[[], bool],
        notes: Notes,
        menus: ChatMenus,
    ) -> None:
        self.profile = profile
        #: The messages that waited in a worker that ended.
        self.again = ServedAgain()
        self.key, self.bot = session.key, session.bot
        self._in_order = anyio.Lock(fast_acquire=True)
        #: The profile's own commands that run a program.
        self.programs: frozenset[str] = frozenset()
        self._personal = session.personal
        self._config = config
        self._runner = runner
        self._attended = attended
        self._notes = notes
        self._menus = menus
        self._event: Any = None
        self._target: RelayTarget | None = None

    def event_fields(self, event: Any) -> dict[str, Any]:
        """Return an event as plain data, without what the gateway's configuration added to it.

        What the adapter itself says of the place stays in it.
        """
        return event_fields(event, channel_prompt=own_words(self._runner, event))

    def note(self, event: Any) -> None:
        """Remember a new message of this session: its place, its writer, and its ids.

        The worker may address this writer from now on, and may edit, delete or reply to this
        message and the one that it replies to.
        """
        self._event = event
        source = event.source
        if self._target is None:
            self._target = RelayTarget(
                profile=self.profile.name,
                chat_id=str(source.chat_id),
                thread_id=source.thread_id,
                user_ids=frozenset(),
                identity={"slack_team_id": getattr(source, "scope_id", None)},
                attended=self._attended,
                session=self.key,
                may_open=self._may_open,
            )
        later = getattr(source, "prospective_thread_id", None)
        self._target.named(str(source.chat_id), source.thread_id, later=later)
        self._target.user_ids |= {str(place_of(source).user_id)}
        self._target.messages.add([event.message_id, event.reply_to_message_id])

    def expects(self, event: Any) -> None:
        """Let :meth:`start_message` speak of a message that its adapter will hand on in a moment.

        The message handler calls this for a head start, and only while no turn of the session runs.
        """
        self._event = event

    def knows(self, user_id: Any) -> bool:
        """Return True if this person has written here before, since the gateway started.

        Others get no head start, and may not answer prompts of a person's own session.
        """
        return self._target is not None and str(user_id) in self._target.user_ids

    @property
    def sender(self) -> Sender:
        """The profile and this conversation, for messages that a worker sends to other ones.

        The delivery policy decides by it where they may go.
        """
        return Sender(profile=self.profile.name, origin=place_of(self._event.source))

    def start_message(
        self, *, turn_id: str, heartbeat: float, linger: float, delivery_scope: msg.DeliveryScope
    ) -> msg.Start:
        """Return the message that tells a worker about this session.

        ``heartbeat`` and ``linger`` are seconds.
        """
        source = self._event.source
        adapter = sending.adapter_for(self._runner, source)
        fields = dict(source_fields(source))
        return msg.Start(
            turn=turn_id,
            session_key=self.key,
            platform=source.platform.value,
            methods=prompts.answerable(method_parameters(adapter)),
            capabilities=ask_capabilities(adapter, fields),
            heartbeat=heartbeat,
            linger=linger,
            delivery_scope=delivery_scope,
            menu=self._menus.known(self.profile.name, source.platform.value),
        )

    async def execute(self, method: str, args: Mapping[str, Any], spool: Spool, ask: Ask) -> Any:
        """Call a method of the real adapter for a worker; return its result as plain data.

        ``spool`` holds the files that the worker has sent for the call. ``ask`` shows a prompt that
        waits for a person's answer.

        Raises:
            RelayRefused: the relay does not allow this call.
            ConnectionError: the gateway is not connected to the platform, and the method has no
                result that could say so.
            RuntimeError: no message has come yet, so no worker can call.
        """
        if self._target is None:
            raise RuntimeError("a conversation without a message has no worker")
        source = self._event.source
        if says_whether_sent(method):
            since = time.monotonic()
            async with self._in_order:  # else a later call may find the new adapter first
                adapter = await sending.connected_adapter(self._runner, source, method, since=since)
        else:
            adapter = sending.adapter_for(self._runner, source)
        if adapter is None:
            running = gateway_runner.running(self._runner)
            return not_connected(method, source.platform.value, retry=running)
        ask = partial(
            ask,
            key=message_sources.session_key_of(self._runner, source),
            refuses=partial(
                command_rules.command_refusal, self._runner, source, self._event.get_command()
            ),
            may_answer=partial(self._may_answer, source),
        )
        if not asked.is_followed(adapter):
            attempts.asks()
        async with deadlines.own_seconds(self.profile, method):
            with kept_in(self._target.chat_id, self._target.thread_id):
                return await Relay(adapter, self._target).execute(method, args, spool, ask)

    def _may_open(self) -> bool:
        """Return True if the profile may open threads in the conversation's chat."""
        config, place = self._config(), place_of(self._event.source)
        return config is not None and may_open_thread(config, self.profile.name, place)

    def _may_answer(self, source: Any, user_id: str) -> bool:
        """Return True if a user may answer a prompt that was shown where ``source`` is.

        That user's messages there must be the profile's, too, and of the same session.
        """
        config = self._config()
        if config is None or (self._personal and not self.knows(user_id)):
            return False
        place = msgspec.structs.replace(place_to_route(source), user_id=user_id)
        decision = config.decide(place)
        return decision.action == "worker" and decision.profile == self.profile.name

    def offered(self, offers: msg.Commands) -> None:
        """Store the commands that the worker reports for its profile, for the menus of chats."""
        platform = self._event.source.platform.value
        self._menus.offered(self.profile.name, platform, offers)

    def worker_ended(self) -> None:
        """Let the adapter show "typing" again, if the worker that has ended had paused it."""
        adapter = sending.adapter_for(self._runner, self._event.source)
        if self._target is not None and adapter is not None:
            Relay(adapter, self._target).resume_typing()

    async def notify(self, text: str) -> bool:
        """Send a notice to the conversation; return whether it was sent. This does not raise."""
        try:
            return await sending.send_text(self._runner, self._event, text)
        except Exception:  # boundary: an adapter may raise anything; no message may be lost by that
            logger.exception("hermes-router: a notice could not be sent: %s", text)
            return False

    async def tell(self, text: str) -> asyncio.Future[bool] | None:
        """Send the notice that messages get instead of an answer; see :func:`owed_notices.tell`."""
        return await owed_notices.tell(self._runner, self._event, text)

    def note_works(self, turn_id: str, works: Sequence[str]) -> None:
        """Write to a file which background work a turn's worker has; with none, delete the file.

        If the gateway dies, the next one tells the conversation that this work has ended.
        """
        self._notes.works.note(turn_id, kept_source(self._event.source), works)

    def note_wakeup(self, at: float | None) -> None:
        """Store when the session's next recurring prompt is due, in seconds since the epoch.

        The gateway starts a worker for it then. None means that there is no such prompt any more.
        """
        source = kept_source(self._event.source)
        self._notes.wakeups.note(self.profile.name, self.key, source, at)
