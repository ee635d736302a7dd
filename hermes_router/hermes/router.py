"""What happens to each message of a gateway that hermes-router is installed in."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from hermes_router import config as configuration
from hermes_router import launchers, profiles
from hermes_router.commands import GATEWAY_COMMANDS
from hermes_router.dispatcher import Dispatcher, TooBusy
from hermes_router.errors import ConfigError, ProfileError, WorkerError
from hermes_router.hermes import prompts, seams
from hermes_router.hermes.conversation import GatewayConversation
from hermes_router.hermes.courier import Courier
from hermes_router.hermes.events import (
    in_words,
    inbound_of,
    place_of,
    seen_of,
    source_fields,
    too_large,
)
from hermes_router.hermes.first_menus import FirstMenus
from hermes_router.hermes.jobs import Jobs
from hermes_router.hermes.kanban import Kanban
from hermes_router.hermes.menus import ChatMenus
from hermes_router.hermes.overheard import OverheardFiles
from hermes_router.hermes.sessions import RoutedSessions
from hermes_router.hermes.stickers import Stickers
from hermes_router.host import Host
from hermes_router.inbound import Verdict
from hermes_router.journal import Journal, OpenWorks, Works
from hermes_router.notices import ended_works, too_many_wait
from hermes_router.outbound import lasting
from hermes_router.profile_config import SessionScopes
from hermes_router.reload import ConfigWatcher
from hermes_router.seen import SeenPlaces
from hermes_router.settled import SettledReplies
from hermes_router.tasks import BackgroundTasks
from hermes_router.turn import Halt, Turn
from hermes_router.warm import Workers

logger = logging.getLogger(__name__)

_DRAINED = (
    "⏳ This agent is draining for a maintenance action and isn't accepting new turns right now. "
    "Please resend shortly."
)
_NO_CONFIGURATION = (
    "⚠️ The routes of this bot cannot be read, so that nobody knows who answers here. "
    "`hermes-router routes` says what to mend; no restart is needed."
)
_CUT_OFF = (
    "⚠️ The gateway was cut off before your last message here was answered. Please send it again."
)
_WENT = "the gateway that it belonged to was stopped or cut off"

_STOPPED = "⚡ Stopped. The assistant did not react and was ended, with all that it had started."

#: Conversations whose message ids are remembered; the least recently used are forgotten.
_REMEMBERED_CONVERSATIONS = 2048

_Original = Callable[[], Awaitable[Any]]


class GatewayRouter:
    """Routes the messages of one ``GatewayRunner``; lives as long as it does."""

    def __init__(self, runner: Any) -> None:
        home = seams.hermes_home()
        self._runner = runner
        self._root = profiles.hermes_root(home)
        self._watcher = ConfigWatcher(
            home / "config.yaml",
            functools.partial(
                configuration.load,
                home / "config.yaml",
                gateway_profile=profiles.profile_name_of(home),
                known_platforms=seams.known_platforms(),
                profile_exists=self._profile_exists,
                launcher_obstacle=launchers.check,
            ),
        )
        initial = profiles.initial_environment(home)
        self._workers = Workers(initial, budget=0)
        self._seen = SeenPlaces(home / "hermes-router" / "conversations.json")
        self._kanban = Kanban(
            lambda: self._watcher.snapshot, root=self._root, initial=initial, seen=self._seen
        )
        settled = SettledReplies(home / "hermes-router" / "settled.json")
        self._courier = Courier(runner, self._seen, settled, self._watcher.fresh)
        host = Host(self._workers, self._courier, prompts.install())
        self._dispatcher = Dispatcher(host)
        self._jobs = Jobs(runner, host, self._dispatcher, self._watcher, self._root)
        self._journal = Journal(home / "hermes-router" / "open")
        self._open_works = OpenWorks(home / "hermes-router" / "background")
        self._scopes = SessionScopes()
        self._menus = ChatMenus(
            runner, home / "hermes-router" / "menus.json", lambda: self._watcher.snapshot
        )
        self._warmed: configuration.RouterConfig | None = None
        self._first_menus = FirstMenus(runner, self._menus, self._workers, self._jobs)
        self._conversations: OrderedDict[str, GatewayConversation] = OrderedDict()
        self._attended: Counter[str] = Counter()
        self._tasks = BackgroundTasks("hermes-router: a task failed")
        self._stickers = Stickers(lambda source: isinstance(self._home_of(source), Path))
        self._overheard = OverheardFiles(self._home_of, self._largest_of)

    async def start(self) -> None:
        """Read the routes before the first message, so that what is wrong is in the log at once."""
        leftovers, works = self._journal.take(), self._open_works.take()
        if leftovers or works:
            self._tasks.start(self._tell(leftovers, works))
        with contextlib.suppress(ConfigError):  # logged by the watcher, once per edit
            config = await self._configuration()
            logger.info("hermes-router: %d routes in force", len(config.table))
        self._kanban.install(self._runner)
        self._jobs.start()

    async def _configuration(self) -> configuration.RouterConfig:
        """Return the configuration in force; see that what is kept warm follows it.

        Raises:
            ConfigError: there never was a good one.
        """
        config = await self._watcher.fresh()
        if config is not self._warmed:
            self._warmed = config
            budget = config.warm_budget
            self._workers.resize(budget.profiles, budget.memory_bytes)
            self._tasks.start(self._keep_warm(config))
            self._menus.routes_changed()
            self._first_menus.begin()
        return config

    async def _keep_warm(self, config: configuration.RouterConfig) -> None:
        """Prepare workers of the routed profiles, in the order of their routes."""
        for name in await asyncio.to_thread(config.worker_profiles):
            with contextlib.suppress(ProfileError):  # told when the routes were read
                self._workers.keep_warm(profiles.find(name, self._root), config.settings(name))

    async def _tell(self, leftovers: list[dict[str, Any]], works: list[Works]) -> None:
        """Tell who waits for what will not come any more, when the gateway is up."""
        await seams.until_running(self._runner)
        told = set()
        for source in map(seams.source_of, leftovers):
            place = place_of(source)
            if place not in told:
                told.add(place)
                await seams.send_to(self._runner, source, _CUT_OFF)
        for ended in works:
            logger.warning("hermes-router: ended with the gateway: %s", "; ".join(ended.works))
            text = ended_works(ended.works, _WENT)
            await seams.send_to(self._runner, seams.source_of(ended.source), text)

    async def let_go(self) -> None:
        """End the work that outlives turns, while the people can still be told."""
        reason = f"the gateway is {self._runner._status_action_gerund()}"
        async with anyio.create_task_group() as tasks:
            for turn in self._dispatcher.turns:
                if turn.resident:
                    tasks.start_soon(turn.stop, reason)

    async def stop(self) -> None:
        """End every worker."""
        await self._first_menus.stop()
        await self._menus.stop()
        await self._jobs.stop()
        await self._dispatcher.close("the gateway is stopping")

    # -- the two seams -------------------------------------------------------------------------

    async def handle(self, event: Any, original: _Original) -> Any:
        """Handle a message whose session is idle, as far as the gateway's adapter knows."""
        if self._kanban.wakes(event) is False:
            return None
        try:
            decision = await self._decide(event)
        except ConfigError:
            await seams.send_text(self._runner, event, _NO_CONFIGURATION)
            return None
        if decision is None:
            return await original()
        if seams.restoring(self._runner, event):
            seams.hold_until_restored(self._runner, event)
            return None
        if self._is_the_gateways(event):
            return await original()
        heard = seams.after_hooks(self._runner, event) if decision.action == "worker" else None
        return None if heard is None else await self._handle_heard(heard, decision, original)

    async def _handle_heard(
        self, event: Any, decision: configuration.Decision, original: _Original
    ) -> Any:
        """Handle a message that the gateway home's hooks let through, perhaps rewritten."""
        if self._is_the_gateways(event):  # by a hook: Hermes asks its hooks again and obeys them
            return await original()
        refusal = self._command_refusal(event)
        if refusal is not None and seams.is_gateway_command(event.get_command()):
            return refusal
        return await self._serve_and_wait(event, decision.profile or "")

    async def handle_busy(self, event: Any, original: _Original) -> Any:
        """Handle a message that arrives while the adapter's session is busy.

        Returns at once: the adapter must go on receiving while a worker is being started.
        """
        if self._kanban.wakes(event) is False:
            return True
        try:
            decision = await self._decide(event)
        except ConfigError:
            return True  # whoever made the session busy has been told
        if decision is None or self._is_the_gateways(event):
            return await original()
        heard = seams.after_hooks(self._runner, event) if decision.action == "worker" else None
        if heard is not None:
            self._tasks.start(self._serve_busy(heard, decision.profile or ""))
        return True

    # -- deciding ------------------------------------------------------------------------------

    async def _decide(self, event: Any) -> configuration.Decision | None:
        """Return what the routes say, or None where Hermes's own path is to be taken.

        Raises:
            ConfigError: the routes could never be read, so that nobody knows whose message it is.
        """
        source = getattr(event, "source", None)
        if source is None or getattr(source, "profile", None):
            return None
        wakes = bool(self._kanban.wakes(event))
        if event.internal and not wakes:
            return None
        try:
            config = await self._configuration()
        except ConfigError:
            if not seams.authorized(self._runner, source) or self._is_the_gateways(event):
                return None
            raise
        decision = config.decide(place_of(source))
        if decision.action == "in_process":
            return None
        return decision if wakes or seams.authorized(self._runner, source) else None

    def _is_the_gateways(self, event: Any) -> bool:
        command = seams.canonical_command(event.get_command())
        if command == "whoami":
            return seams.has_command_rules(self._runner, event.source)
        return command in GATEWAY_COMMANDS or seams.update_prompt_pending(
            self._runner, event.source
        )

    def _command_refusal(self, event: Any) -> str | None:
        """Return what Hermes answers where the gateway's rules forbid the command, or None.

        For a word that is no command here: it may be a skill, which is free to all, or a command of
        the profile's, which is not. The worker knows, and applies the profile's rules as well: a
        profile without any would allow everything.
        """
        source = event.source
        return seams.command_refusal(self._runner, source, event.get_command(), source.user_id)

    def _profile_exists(self, name: str) -> bool:
        try:
            profiles.find(name, self._root)
        except ProfileError:
            return False
        return True

    def sessions_for_adapter(self, adapter: Any, store: Any) -> RoutedSessions:
        """Return the session store that an adapter is given in place of the gateway's ``store``.

        It is the moment at which an adapter is complete: what it does with stickers, with
        overheard files and with the menus of chats changes too.
        """
        self._stickers.take_over(adapter)
        self._overheard.take_over(adapter)
        self._menus.take_over(adapter)
        return RoutedSessions(store, self._home_of, source_fields, self._overheard)

    def _home_of(self, source: Any) -> Path | bool | None:
        """Say who keeps what an adapter writes about a place: see ``RoutedSessions``."""
        config = self._watcher.snapshot
        if getattr(source, "profile", None):
            return True
        if config is None:
            return None
        decision = config.decide(place_of(source))
        if decision.action != "worker":
            return True if decision.action == "in_process" else None
        try:
            return profiles.find(decision.profile or "", self._root).home
        except ProfileError:
            return None

    def _largest_of(self, source: Any) -> int:
        """Say how many bytes a file may have that people send to a routed place."""
        config = self._watcher.snapshot
        if config is None:
            return 0
        return config.settings(config.decide(place_of(source)).profile or "").limits.received_bytes

    # -- serving -------------------------------------------------------------------------------

    async def _serve_and_wait(self, event: Any, profile: str) -> None:
        """Serve a message and return when the answer is delivered.

        Meanwhile the gateway's adapter shows "typing" and takes the session for busy.
        """
        conversation = await self._conversation(event, profile)
        if conversation is None:
            return
        key = self._runner._session_key_for_source(event.source)
        running = RunningTurn(conversation, self._dispatcher)
        inline = self._dispatcher.running(conversation) is not None and seams.bypasses_running_turn(
            event.get_command()
        )
        if inline:
            if await self._halted(event, conversation):
                return
            await self._serve(event, conversation, busy=False, until_handled=True)
            return
        self._attended[conversation.key] += 1
        seams.count_as_running(self._runner, key, event.source, running)
        try:
            with self._journal.open(source_fields(event.source)):
                turn = await self._serve(event, conversation, busy=False)
                if turn is not None:
                    await self._until_answered(turn)
        finally:
            seams.no_longer_running(self._runner, key, running)
            self._attended[conversation.key] -= 1

    async def _halted(self, event: Any, conversation: GatewayConversation) -> bool:
        """Have a running turn stop if that is what the message says; False if it is not done."""
        turn = self._dispatcher.running(conversation)
        if turn is None or seams.canonical_command(event.get_command()) != "stop":
            return False
        outcome = await turn.halt(inbound_of(event, refusal=self._command_refusal(event)))
        if outcome is Halt.ENDED:
            await conversation.notify(_STOPPED)
        return outcome is not Halt.REFUSED

    async def _serve_busy(self, event: Any, profile: str) -> None:
        """Serve a message that the adapter takes for one more of a session that is busy.

        The turn before it may be over all the same: it is noted like any other message.
        """
        conversation = await self._conversation(event, profile)
        if conversation is None:
            return
        with self._journal.open(source_fields(event.source)):
            turn = await self._serve(event, conversation, busy=True)
            if turn is not None:
                await self._until_answered(turn)

    async def _until_answered(self, turn: Turn) -> None:
        """Wait for a turn's answer; what is owed by a worker that failed is looked for at once."""
        await turn.answered.wait()
        if turn.failure is not None:
            self._jobs.scheduler.nudge(turn.conversation.profile)

    async def _serve(
        self,
        event: Any,
        conversation: GatewayConversation,
        *,
        busy: bool,
        until_handled: bool = False,
    ) -> Turn | None:
        """Have a message served; the adapter's copies of its files are gone after that."""
        try:
            return await self._served(event, conversation, busy=busy, until_handled=until_handled)
        finally:
            seams.drop_cached_media(event)

    async def _served(
        self,
        event: Any,
        conversation: GatewayConversation,
        *,
        busy: bool,
        until_handled: bool,
    ) -> Turn | None:
        config = await self._watcher.fresh()
        refusal = self._drain_answer(busy=busy)
        settings = config.settings(conversation.profile.name)
        largest = settings.limits.received_bytes
        inbound = inbound_of(
            event,
            refusal=self._command_refusal(event),
            channel_prompt=seams.adapters_own_prompt(self._runner, event),
            largest=largest,
            sticker=self._stickers.of(event),
        )
        if refusal is not None:
            running = self._dispatcher.running(conversation)
            command = seams.bypasses_running_turn(event.get_command())
            if running is None or (
                await running.offer(inbound, until_handled=True, answer=not command)
                is not Verdict.ACCEPTED
            ):
                await conversation.notify(refusal)
            return None
        if large := too_large(event, largest):
            await conversation.notify(
                f"⚠️ Files may have {in_words(largest)} here. Not passed on: {', '.join(large)}"
            )
            if not (event.text or inbound.fields["media_urls"]):
                return None
        try:
            return await self._dispatcher.serve(
                conversation,
                inbound,
                settings,
                until_handled=until_handled,
            )
        except TooBusy as error:
            logger.warning("hermes-router: %s", error)
            await conversation.notify(too_many_wait(error.allowed))
        except WorkerError as error:
            logger.error("hermes-router: %s", error)  # noqa: TRY400 - it is no bug
            await conversation.notify("⚠️ Your message was not taken. Please send it again.")
        return None

    def _drain_answer(self, *, busy: bool) -> str | None:
        if seams.shutting_down(self._runner):
            what = "another turn" if busy else "new work"
            return (
                f"⏳ Gateway is {self._runner._status_action_gerund()} and is not accepting {what} "
                "right now."
            )
        return _DRAINED if seams.drained_externally(self._runner) else None

    async def _conversation(self, event: Any, profile_name: str) -> GatewayConversation | None:
        """Return the conversation of a message, or None after saying why nobody serves it."""
        try:
            profile = profiles.find(profile_name, self._root)
            scope = await self._scopes.of(profile)
        except ProfileError as error:
            logger.error("hermes-router: %s", error)  # noqa: TRY400 - it is no bug
            await seams.send_text(
                self._runner,
                event,
                f"⚠️ This conversation is routed to profile {profile_name!r}, which "
                f"{error.message}. "
                "Nobody answers here until that is mended.",
            )
            return None
        key = seams.session_key(
            event.source,
            group_per_user=scope.group_sessions_per_user,
            thread_per_user=scope.thread_sessions_per_user,
        )
        lane = f"{profile.name}/{key}"
        conversation = self._conversations.get(lane)
        if conversation is None:
            conversation = GatewayConversation(
                self._runner,
                profile,
                key,
                attended=lambda: self._attended[key] > 0,
                open_works=self._open_works,
                menus=self._menus,
            )
            self._conversations[lane] = conversation
        self._conversations.move_to_end(lane)
        while len(self._conversations) > _REMEMBERED_CONVERSATIONS:
            self._conversations.popitem(last=False)
        conversation.note(event)
        self._menus.visited(place_of(event.source))
        self._courier.heard(place_of(event.source), event.message_id)
        if (config := self._watcher.snapshot) is not None:
            self._seen.note(profile.name, lasting(config, profile.name, seen_of(event.source)))
        return conversation


class RunningTurn:
    """Stands for a routed turn where Hermes keeps the agents that run."""

    def __init__(self, conversation: GatewayConversation, dispatcher: Dispatcher) -> None:
        self._conversation = conversation
        self._dispatcher = dispatcher
        self._tasks = BackgroundTasks()
        self.session_id = None
        self.model = f"profile {conversation.profile.name}"

    def interrupt(self, reason: str | None = None) -> None:
        """Interrupt the turn: its worker saves, says its last words, and leaves."""
        turn = self._dispatcher.running(self._conversation)
        if turn is not None:
            self._tasks.start(turn.stop(reason or "interrupted"))
