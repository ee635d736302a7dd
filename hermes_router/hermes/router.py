"""The router of one gateway: it decides for each message who handles it, and starts the workers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio

from hermes_router.base import scratch
from hermes_router.base.errors import ConfigError, ProfileError
from hermes_router.base.tasks import BackgroundTasks, cancel
from hermes_router.config import model as configuration
from hermes_router.hermes import crash_recovery
from hermes_router.hermes.compat.adapters import asked
from hermes_router.hermes.compat.adapters.turn_keys import add_to_key
from hermes_router.hermes.compat.events import (
    accept,
    entry_number,
    named_elsewhere,
    place_to_route,
    source_fields,
)
from hermes_router.hermes.compat.home_stamps import HomeStamps
from hermes_router.hermes.compat.launching import find_launcher
from hermes_router.hermes.compat.seams import command_rules, gateway_runner, sending
from hermes_router.hermes.conversation import Notes
from hermes_router.hermes.conversations import Conversations
from hermes_router.hermes.delivery import GatewayDelivery
from hermes_router.hermes.features import deadlines, gateway_commands
from hermes_router.hermes.features.adapters import comments, prompts, writers
from hermes_router.hermes.features.adapters.first_menus import FirstMenus
from hermes_router.hermes.features.adapters.joined import JoinedMessages
from hermes_router.hermes.features.adapters.menus import ChatMenus
from hermes_router.hermes.features.adapters.observed import OverheardFiles
from hermes_router.hermes.features.adapters.own_place import OwnPlaces
from hermes_router.hermes.features.adapters.sessions import RoutedSessions
from hermes_router.hermes.features.adapters.stickers import Stickers
from hermes_router.hermes.features.home_notices import HomeNotices
from hermes_router.hermes.features.jobs import Jobs
from hermes_router.hermes.features.kanban import Kanban
from hermes_router.hermes.features.left_over import LeftOver
from hermes_router.hermes.features.observing import Observing
from hermes_router.hermes.features.router_command import RouterCommand
from hermes_router.hermes.features.wakeups import SessionWakeups
from hermes_router.hermes.holds import holds
from hermes_router.hermes.message_handler import MessageHandler
from hermes_router.hermes.message_register import MessageRegister
from hermes_router.hermes.refusal import no_configuration, passed, refuse
from hermes_router.hermes.routes import watcher_of
from hermes_router.jobs.wakeups import Wakeups
from hermes_router.profiles import model
from hermes_router.profiles.commands import of_running
from hermes_router.profiles.model import Profile
from hermes_router.protocol.commands import GATEWAY_COMMANDS
from hermes_router.state import known_conversations
from hermes_router.state.delivered import DeliveredTexts
from hermes_router.state.known_conversations import KnownConversations
from hermes_router.state.ledger import Entry, Ledger
from hermes_router.state.open_works import OpenWorks
from hermes_router.state.running import RunningRecord
from hermes_router.state.state_file import remove_unfinished
from hermes_router.turns.capacity import turns_at_once
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.ports import TurnServices
from hermes_router.turns.sends import Sends
from hermes_router.workers.code import own_code
from hermes_router.workers.code.running_code import RunningCode
from hermes_router.workers.pool import WorkerPool

logger = logging.getLogger(__name__)

_Original = Callable[[], Awaitable[Any]]


class GatewayRouter:
    """Routes the messages of one ``GatewayRunner``, for as long as that runner lives.

    The swap makes it, and passes it each message. ``book`` records what came of each message.
    """

    def __init__(self, runner: Any) -> None:
        home = gateway_runner.hermes_home()
        self._runner = runner
        self._root = model.hermes_root(home)
        self._watcher = watcher_of(home)
        self._started = False
        self._watching: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._folder = home / "hermes-router"
        self._record = RunningRecord(home)
        code = home / "hermes-router" / "code"
        self._code = RunningCode(code, find_launcher, restart=of_running(home).restart)
        own_code.use(self._code)
        initial = self._initial = model.initial_environment(home)
        self._workers = WorkerPool(initial, budget=0)
        self._seen = KnownConversations(known_conversations.file_of(home))
        self._kanban = Kanban(
            lambda: self._watcher.snapshot, root=self._root, initial=initial, seen=self._seen
        )
        settled = DeliveredTexts(home / "hermes-router" / "settled.json")
        self._delivery = GatewayDelivery(runner, self._seen, settled, self._watcher.fresh)
        self.notices = HomeNotices(runner, self._delivery)
        self._observing = Observing(
            home, self._watcher, functools.partial(holds, runner, home, self._root)
        )
        book = self.book = self._observing.book
        deadlines.install()
        services = TurnServices(
            self._workers,
            self._delivery,
            prompts.install(),
            note=book.note,
            sends=Sends(sending.repetition_mark()),
        )
        self._dispatcher = Dispatcher(services)
        commands = of_running(home, in_hermes=self._code.launcher is not None)
        self._command = RouterCommand(
            runner, commands, self._watcher, self._dispatcher, self._workers
        )
        self._jobs = Jobs(runner, services, self._dispatcher, self._watcher, self._root)
        ledger = home / "hermes-router" / "ledger.jsonl"
        self._ledger, self._settled = Ledger(ledger), settled
        self._open_works = OpenWorks(home / "hermes-router" / "background")
        self._menus = ChatMenus(
            runner, home / "hermes-router" / "menus.json", lambda: self._watcher.snapshot
        )
        self._warmed: configuration.RouterConfig | None = None
        self._stamps = HomeStamps()
        self._first_menus = FirstMenus(runner, self._menus, self._workers, self._jobs)
        self._tasks = BackgroundTasks("hermes-router: a task failed")
        self._joined = JoinedMessages(
            self._ledger,
            self._is_routed,
            self._lane_of,
            lambda event: self._tasks.start(self._expect(event)),
        )
        self._stickers = Stickers(self._is_routed)
        self._overheard = OverheardFiles(self._home_of, self._largest_of)
        self._left_over = LeftOver()
        self._own_places = OwnPlaces(lambda: self._watcher.snapshot)
        wakeups = Wakeups(home / "hermes-router" / "wakeups.json")
        self._handler = MessageHandler(
            runner,
            self._watcher,
            self._dispatcher,
            Conversations(
                runner,
                self._root,
                self._watcher,
                notes=Notes(self._open_works, wakeups),
                menus=self._menus,
                delivery=self._delivery,
                seen=self._seen,
            ),
            book=book,
            register=MessageRegister(self._ledger, ledger.parent),
            stickers=self._stickers,
            owed=self._jobs.scheduler.nudge,
        )
        self._wakeups = SessionWakeups(
            runner, self._watcher, wakeups, self._root, self._handler.serve_wake
        )

    async def start(self) -> None:
        """Start the router: read the routes, settle an earlier gateway's messages, start the jobs.

        The routes are read before the first message, so that the log shows their mistakes at once.
        A second call does nothing: the gateway calls this when it starts, and so does a swap that
        comes after the start.
        """
        if self._started:
            return
        self._started = True
        self._tasks.start(asyncio.to_thread(self._remove_left_behind))
        self._watching = self._tasks.start(self._watch_code())
        self._tasks.start(self._recovery().run())
        self._renewing = self._tasks.start(self._open_works.renew())
        if left := self._open_works.left():
            self._tasks.start(crash_recovery.tell_works(self._runner, self._open_works, left))
        with contextlib.suppress(ConfigError):  # logged by the watcher, once per edit
            config = await self._configuration()
            logger.info("hermes-router: %d routes in force", len(config.table))
        self._kanban.install(self._runner)
        self._jobs.start()
        self._tasks.start(self.notices.back(await self._jobs.members()))
        await self._observing.start(self._dispatcher, self._workers)
        self._wakeups.start()

    async def _watch_code(self) -> None:
        """Note which code this gateway runs, then look for updates on disk until cancelled."""
        await self._code.load()
        self._record.note_hermes(self._code.hermes_content)
        await self._code.watch()

    def _remove_left_behind(self) -> None:
        """Remove the temporary folders of killed gateways, which may contain secrets, and files."""
        remove_unfinished(self._folder)
        for folder in {*model.temporary_folders(self._initial), None}:
            if count := scratch.remove_left_behind(folder):
                logger.warning(
                    "hermes-router: removed %d temporary folders of an earlier gateway", count
                )

    def _recovery(self) -> crash_recovery.CrashRecovery:
        return crash_recovery.CrashRecovery(
            self._runner,
            self._ledger.open,
            self._settled,
            find=lambda name: model.find(name, self._root),
            routed=self._routed_to,
            pays=self._pays,
            book=self.book,
        )

    def _routed_to(self, source: Any) -> str | None:
        config = self._watcher.snapshot
        decision = None if config is None else config.decide(place_to_route(source))
        return decision.profile if decision is not None and decision.action == "worker" else None

    def _pays(self, profile: Profile) -> bool:
        """Have a worker send a profile's unsent replies; return False if its upkeep is off."""
        config = self._watcher.snapshot
        if config is None or not config.settings(profile.name).jobs.upkeep:
            return False
        self._jobs.scheduler.nudge(profile)
        return True

    async def _configuration(self) -> configuration.RouterConfig:
        """Return the configuration in force; if it is new, adapt workers, limits and menus to it.

        Raises:
            ConfigError: no configuration could be read since the gateway started.
        """
        try:
            config = await self._watcher.fresh()
        finally:
            watcher = self._watcher
            self._record.note(watcher.snapshot, watcher.error, watcher.seen)
        if config is not self._warmed:
            self._warmed = config
            budget = config.warm_budget
            self._workers.resize(budget.profiles, budget.memory_bytes)
            self._workers.memory.reserve = config.turn_budget.free_bytes
            self._dispatcher.resize(
                turns_at_once(config.turn_budget.concurrent_turns),
                lambda profile: config.settings(profile).limits.concurrent_turns,
            )
            self._tasks.start(self._keep_warm(config))
            self._menus.routes_changed()
            self._first_menus.begin()
        return config

    async def _keep_warm(self, config: configuration.RouterConfig) -> None:
        """Prepare workers of the routed profiles, in the order of their routes."""
        homes = [gateway_runner.hermes_home()]
        for name in await asyncio.to_thread(config.worker_profiles):
            with contextlib.suppress(ProfileError):  # logged when the routes were read
                profile = model.find(name, self._root)
                self._workers.keep_warm(profile, config.settings(name))
                homes.append(profile.home)
        await asyncio.to_thread(self._stamps.look, homes)

    async def let_go(self) -> None:
        """Tell the profiles' home channels that the gateway stops, and end the resident workers.

        No further turn begins: what waits for its turn is left to the next gateway. The swap calls
        this when Hermes begins to stop, while the adapters can still send.
        """
        self._dispatcher.begin_no_more()
        reason = f"the gateway is {gateway_runner.going_down(self._runner)}"
        await self.notices.going(await self._jobs.members())
        async with anyio.create_task_group() as tasks:
            for turn in self._dispatcher.turns:
                if turn.resident:
                    tasks.start_soon(turn.stop, reason)

    async def stop(self) -> None:
        """Stop menus, jobs, wake-ups and the status socket, then end every worker.

        The swap calls this when Hermes has drained its work. It returns when all workers are gone.
        Turns that are interrupted go on in the next gateway.
        """
        beside = (self._observing, self._first_menus, self._menus, self._wakeups, self._jobs)
        for part in beside:
            try:
                await part.stop()
            except Exception:  # its task failed earlier: the workers must be told all the same
                logger.exception("hermes-router: the task %s had failed", type(part).__name__)
        await self._dispatcher.close("the gateway is stopping")
        for task in (self._watching, self._renewing):
            try:
                await cancel(task)
            except Exception:
                logger.exception("hermes-router: a task beside the turns had failed")
        self._record.remove()
        self._code.remove()

    # -- the two seams -------------------------------------------------------------------------

    async def handle(self, event: Any, original: _Original) -> Any:
        """Handle a message that Hermes's adapter hands on while it knows of no turn of the session.

        The swap calls this in place of ``original``, Hermes's own handler, and this calls that if
        Hermes must handle the message. It returns when the worker has answered: a text for Hermes
        to send as the reply, or None.
        """
        if (entry := self._cut_off(event)) is not None:
            return await self._go_on(event, entry)
        if self._has_outcome(event):
            return None
        if self._command.is_asked(event):
            return await self._command.answer(event)
        return await self._handle(event, original)

    async def _handle(self, event: Any, original: _Original) -> Any:
        wakes = self._kanban.wakes(event)
        if wakes is False:
            return None
        try:
            decision = await self._decide(event, woken=bool(wakes))
        except ConfigError:
            await refuse(self._runner, event, no_configuration(), book=self.book)
            return None
        if decision is None:
            return await original()
        if not wakes and self._left_over.goes_on(event, decision):
            return None
        return await self._handle_routed(event, decision, original)

    async def _handle_routed(
        self, event: Any, decision: configuration.Decision, original: _Original
    ) -> Any:
        if gateway_runner.restoring(self._runner, event):
            gateway_runner.hold_until_restored(self._runner, event)
            return None
        taken = await self._taken_by_gateway(event, decision)
        if taken is not False:
            return await original() if taken is True else taken
        heard = await self._hooked(event) if decision.action == "worker" else None
        return None if heard is None else await self._handle_heard(heard, decision, original)

    def _cut_off(self, event: Any) -> Entry | None:
        """Return the ledger's entry of a turn that a stop cut off, if this event continues it."""
        return self._ledger.of(entry_number(event)) if event.internal else None

    def _has_outcome(self, event: Any) -> bool:
        """Return True for a message of an earlier gateway that has had its outcome meanwhile."""
        number = entry_number(event)
        return bool(number) and self._ledger.of(number) is None

    async def _go_on(self, event: Any, entry: Entry) -> None:
        """Continue a turn that a stop cut off; the event is Hermes's, so no hook sees it.

        Nothing is done if the place is no longer routed to the profile of that turn: then who has
        handed the turn over tells people of it.
        """
        if gateway_runner.restoring(self._runner, event):
            gateway_runner.hold_until_restored(self._runner, event)
            return
        decision = await self._decide(event, woken=True)
        allowed = command_rules.authorized(self._runner, event.source)
        if allowed and decision is not None and decision.profile == entry.profile:
            await self._handler.serve_and_wait(event, entry.profile)
        else:
            entry.seen.set()

    async def _hooked(self, event: Any) -> Any:
        """Let the hooks of the gateway's home see a message; our own guard lets it pass.

        Returns the message, perhaps rewritten, or None if a hook dropped it, or Hermes's limit for
        bots that answer each other.
        """
        with passed():
            heard = await command_rules.after_hooks(self._runner, event)
        goes_on = heard is not None and command_rules.count_and_admit(self._runner, heard)
        return heard if goes_on else None

    async def _handle_heard(
        self, event: Any, decision: configuration.Decision, original: _Original
    ) -> Any:
        """Handle a message that the gateway home's hooks let through, perhaps rewritten."""
        taken = await self._taken_after_hooks(event, decision)
        if taken is not False:
            return await original() if taken is True else taken
        return await self._handler.serve_and_wait(event, decision.profile or "")

    async def _taken_after_hooks(self, event: Any, decision: configuration.Decision) -> bool | str:
        """Say the same as :meth:`_taken_by_gateway` of a message that a hook perhaps rewrote.

        The result may also be the gateway's refusal of a command of the profile. If Hermes acts on
        the message, it asks its hooks again.
        """
        taken = await self._taken_by_gateway(event, decision)
        if taken is not False:
            return taken
        refusal = command_rules.refusal_of(self._runner, event)
        if refusal is not None and command_rules.is_gateway_command(event.get_command()):
            return refusal
        return False

    async def handle_busy(self, event: Any, original: _Original) -> Any:
        """Handle a message that arrives while the adapter still handles one of the same session.

        The swap calls this in place of ``original``, Hermes's own handler, and this calls that if
        Hermes must handle the message. It returns before the message is served: the adapter must go
        on receiving while a worker starts. True means that Hermes need do nothing.
        """
        if (entry := self._cut_off(event)) is not None:
            entry.seen.set()  # it is handed over again later, until the session is free
            return True
        if self._has_outcome(event):
            return True
        if self._command.is_asked(event):
            self._tasks.start(self._answer_aside(event))
            return True
        return await self._handle_busy(event, original)

    async def _handle_busy(self, event: Any, original: _Original) -> Any:
        wakes = self._kanban.wakes(event)
        try:
            decision = None if wakes is False else await self._decide(event, woken=bool(wakes))
        except ConfigError:
            accept(event)
            return True  # the message that made the session busy got the notice
        if decision is None and wakes is not False:
            return await original()
        if decision is None or (not wakes and self._left_over.goes_on(event, decision)):
            accept(event)
            return True
        return await self._handle_routed_busy(event, decision, original)

    async def _answer_aside(self, event: Any) -> None:
        await sending.send_text(self._runner, event, await self._command.answer(event))

    async def _handle_routed_busy(
        self, event: Any, decision: configuration.Decision, original: _Original
    ) -> Any:
        taken = await self._taken_by_gateway(event, decision)
        if taken is True:
            return await original()
        accept(event)
        if taken is not False:
            self._tasks.start(sending.send_text(self._runner, event, taken))
            return True
        heard = await self._hooked(event) if decision.action == "worker" else None
        if heard is None:
            return True
        taken = await self._taken_after_hooks(heard, decision)
        if taken is True:
            return await original()
        if taken is not False:
            self._tasks.start(sending.send_text(self._runner, event, taken))
        else:
            self._tasks.start(self._handler.serve_busy(heard, decision.profile or ""))
        return True

    # -- deciding ------------------------------------------------------------------------------

    async def _decide(self, event: Any, *, woken: bool) -> configuration.Decision | None:
        """Return what the routes say, or None if Hermes is to handle the message itself.

        ``woken`` is true for Hermes's own event about a kanban card that goes to the session of a
        routed place. Like Hermes, this does not ask who may write for an event that is not from a
        person.

        Raises:
            ConfigError: the routes could never be read, so nobody knows which profile answers.
        """
        source = getattr(event, "source", None)
        if source is None or named_elsewhere(source):
            return None
        try:
            config = await self._configuration()
        except ConfigError:
            if event.internal:
                raise
            if not command_rules.authorized(self._runner, source) or self.is_the_gateways(event):
                return None
            raise
        decision = config.decide(place_to_route(source))
        if decision.action == "in_process":
            return None
        allowed = woken or event.internal or command_rules.authorized(self._runner, source)
        return decision if allowed else None

    def is_the_gateways(self, event: Any) -> bool:
        """Return True if a message of a routed place is for the gateway itself, not for a profile.

        These are commands such as ``/restart``, and the answer to a question of ``/update``. While
        that question is open, the profile still gets other commands.
        """
        command = command_rules.canonical_command(event.get_command())
        if command == "whoami":
            return command_rules.has_command_rules(self._runner, event.source)
        return command in GATEWAY_COMMANDS or gateway_runner.answers_update(self._runner, event)

    async def _taken_by_gateway(self, event: Any, decision: configuration.Decision) -> bool | str:
        """Say whether the gateway itself acts on a message.

        Returns True or False, or the text of a refusal if the sender may not give this command. A
        message that only looks like the answer to an update's question goes to the profile.
        """
        if not self.is_the_gateways(event):
            return False
        command = command_rules.canonical_command(event.get_command())
        if command == "whoami":
            return True
        asked = command if command in GATEWAY_COMMANDS else "update"
        profile = self._existing(decision.profile or "")
        refusal = await gateway_commands.refusal(self._runner, event.source, asked or "", profile)
        if refusal is None:
            return True
        return refusal if command in GATEWAY_COMMANDS else False

    def _existing(self, name: str) -> model.Profile | None:
        with contextlib.suppress(ProfileError):
            return model.find(name, self._root)
        return None

    def sessions_for_adapter(self, adapter: Any, store: Any) -> RoutedSessions:
        """Return the session store that an adapter gets in place of the gateway's ``store``.

        Hermes asks for it when the adapter is complete. So this also wraps the adapter's methods
        for joined messages, stickers, observed groups, comments, menus, threads and clicks. And the
        adapter counts the turns of routed people apart: a session that it sees may be that of a
        whole place, so that one person's command would end another one's turn.
        """
        add_to_key(adapter, self._lane_of)
        self._joined.take_over(adapter)
        self._stickers.take_over(adapter)
        self._overheard.take_over(adapter)
        writers.keep_writers(adapter)
        comments.drop_routed_comments(adapter, lambda: self._watcher.snapshot)
        self._menus.take_over(adapter)
        self._own_places.take_over(adapter)
        asked.take_over(adapter)
        prompts.keep_clicks_personal(adapter)
        return RoutedSessions(store, self._home_of, source_fields, self._overheard)

    async def _expect(self, event: Any) -> None:
        """Have a worker prepare the session of a message that its adapter will hand on soon."""
        with contextlib.suppress(ConfigError):  # the message gets a notice
            decision = await self._decide(event, woken=False)
            config = self._watcher.snapshot
            if (
                (config and decision and decision.profile and decision.action == "worker")
                and not self.is_the_gateways(event)
                and not gateway_runner.restoring(self._runner, event)
            ):
                settings = config.settings(decision.profile)
                await self._handler.expect(event, decision.profile, settings)

    def _is_routed(self, source: Any) -> bool:
        return isinstance(self._home_of(source), Path)

    def _lane_of(self, source: Any) -> str:
        """Return a text for who answers a source, and whom; it is empty for the gateway itself."""
        config = self._watcher.snapshot
        if config is None or named_elsewhere(source):
            return ""
        place = place_to_route(source)
        decision = config.decide(place)
        if decision.action == "in_process":
            return ""
        return f":{decision.profile or decision.action}:{place.user_id}"

    def _home_of(self, source: Any) -> Path | bool | None:
        """Return who keeps what an adapter writes about a place; see ``RoutedSessions``."""
        config = self._watcher.snapshot
        if named_elsewhere(source):
            return True
        if config is None:
            return None
        decision = config.decide(place_to_route(source))
        if decision.action != "worker":
            return True if decision.action == "in_process" else None
        try:
            return model.find(decision.profile or "", self._root).home
        except ProfileError:
            return None

    def _largest_of(self, source: Any) -> int:
        """Return the largest size, in bytes, of a file that people may send to a routed place."""
        config = self._watcher.snapshot
        if config is None:
            return 0
        return config.settings(
            config.decide(place_to_route(source)).profile or ""
        ).limits.received_bytes
