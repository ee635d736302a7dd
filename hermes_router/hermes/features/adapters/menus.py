"""The command menus of routed chats, on platforms that can set a menu for one chat.

One :class:`ChatMenu` says what such a platform can do; on other platforms nothing is done. A menu
is set again in three cases: a worker reports that its profile's commands changed, the routes
changed, or somebody writes in a chat for the first time. All this runs beside the messages.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from hermes_router.base import tasks
from hermes_router.config.model import Decision, RouterConfig
from hermes_router.hermes.compat.adapters.menu_lists import (
    forget_forum,
    keep_forums,
    menu_function,
    telegram_client,
)
from hermes_router.hermes.compat.seams import gateway_runner, sending
from hermes_router.protocol import messages as msg
from hermes_router.relay.menus import Commands, Menus, answering, name_of, union
from hermes_router.routing.table import Place

logger = logging.getLogger(__name__)

#: How many chats, and places of each chat, are remembered while the routes stay the same.
_MOST_MET = 2048
_MOST_PLACES = 200

#: Seconds in which a profile's report counts once: each report writes to the disk and the platform.
_CALM_SECONDS = 1.0


class ChatMenu(Protocol):
    """How the command menu of one chat is set on one platform, through the platform's adapter."""

    def can_set(self, adapter: Any) -> bool:
        """Return True if this adapter, in this version of Hermes, can set a menu for one chat."""

    def most(self) -> int:
        """Return how many commands a menu may have."""

    def own(self) -> Commands:
        """Return the commands that the gateway's own profile offers; this reads files.

        It is in the menu of a chat in which that profile answers some people.
        """

    async def show(self, adapter: Any, chat: str, commands: Commands) -> None:
        """Set the menu of a chat.

        Raises:
            Exception: whatever the adapter's library raises.
        """

    async def drop(self, adapter: Any, chat: str) -> None:
        """Remove the menu of a chat, so that it shows the menu for all chats.

        Raises:
            Exception: whatever the adapter's library raises.
        """

    def keep(self, adapter: Any, ours: Callable[[str], bool]) -> None:
        """Have the adapter not replace the router's menus.

        ``ours`` gets a chat's id, and returns True if the router has set the menu there.
        """


class _Telegram:
    """Telegram's ``setMyCommands`` with the scope of a chat, as its adapter uses it for forums."""

    def can_set(self, adapter: Any) -> bool:
        return menu_function("telegram_menu_commands") is not None and callable(
            getattr(telegram_client(adapter), "set_my_commands", None)
        )

    def most(self) -> int:
        limit = menu_function("telegram_menu_max_commands")
        return int(limit()) if limit is not None else 30  # older: the number in its adapter

    def own(self) -> Commands:
        listing = menu_function("telegram_menu_commands")
        listed, _hidden = listing(max_commands=self.most()) if listing is not None else ((), 0)
        return [(str(name), str(description)) for name, description in listed]

    async def show(self, adapter: Any, chat: str, commands: Commands) -> None:
        telegram: Any = importlib.import_module("telegram")
        fitting = [(name.replace("-", "_"), text) for name, text in commands]
        listed = [telegram.BotCommand(name, text) for name, text in fitting]
        scope = telegram.BotCommandScopeChat(chat_id=int(chat))
        await telegram_client(adapter).set_my_commands(listed, scope=scope)

    async def drop(self, adapter: Any, chat: str) -> None:
        telegram: Any = importlib.import_module("telegram")
        scope = telegram.BotCommandScopeChat(chat_id=int(chat))
        await telegram_client(adapter).delete_my_commands(scope=scope)
        # Forums do not inherit a menu: have the adapter set its own at the next message.
        forget_forum(adapter, int(chat))

    def keep(self, adapter: Any, ours: Callable[[str], bool]) -> None:
        keep_forums(adapter, ours)


_MENUS: Mapping[str, ChatMenu] = {"telegram": _Telegram()}


class ChatMenus:
    """Sets the command menus of the chats in which routed profiles answer.

    ``file`` keeps which profile offers which commands, and which chats have which menu.
    ``configuration`` returns the current configuration, or None. A menu that cannot be set is
    logged, and tried again at the next message in the chat.
    """

    def __init__(
        self, runner: Any, file: Path, configuration: Callable[[], RouterConfig | None]
    ) -> None:
        self._runner = runner
        self._menus = Menus(file)
        self._configuration = configuration
        self._met: dict[tuple[str, str], set[Place]] = {}
        self._heard: dict[str, float] = {}
        self._due: dict[tuple[str, str], None] = {}
        self._task: asyncio.Task[None] | None = None

    def take_over(self, adapter: Any) -> None:
        """Have an adapter not change the menus that the router has set.

        The router calls this for each new adapter.
        """
        platform = adapter.platform.value
        menu = _MENUS.get(platform)
        if menu is not None:
            menu.keep(adapter, lambda chat: self._menus.shown(platform, chat) is not None)

    def known(self, profile: str, platform: str) -> str | None:
        """Return the name of the last list of commands that a worker of a profile reported.

        The next worker gets this name at its start, and reports its commands only if their list has
        another name. It is "" if no worker has reported yet, and None if the platform's adapter
        cannot set menus.
        """
        if self._of(platform) is None:
            return None
        offered = self._menus.offered(profile, platform)
        return offered.of if offered is not None else ""

    def silent(self, profile: str) -> list[str]:
        """Return the platforms with menus for which no worker of a profile has reported yet.

        :class:`FirstMenus` starts a worker for these.
        """
        return [name for name in _MENUS if self.known(profile, name) == ""]

    def visited(self, place: Place) -> None:
        """Have the menu of a chat set again, if this is the first message from ``place`` in it.

        The menu then also has the commands of the profile that answers in this place.
        """
        if place.platform not in _MENUS or not place.chat_id:
            return
        chat = (place.platform, place.chat_id)
        met = self._met.setdefault(chat, set())
        if place not in met and len(met) < _MOST_PLACES:
            met.add(place)
            while len(self._met) > _MOST_MET:
                del self._met[next(iter(self._met))]
            self._refresh([chat])

    def offered(self, profile: str, platform: str, offers: msg.Commands) -> None:
        """Store the commands that a worker reports for its profile, and have the menus set again.

        A report within a second of the profile's last one is dropped; the profile's next worker
        then makes it again.
        """
        now = time.monotonic()
        if platform in _MENUS and now - self._heard.get(profile, -_CALM_SECONDS) >= _CALM_SECONDS:
            self._heard[profile] = now
            self._menus.offer(profile, platform, offers.of, offers.commands)
            self._refresh([*self._met, *self._menus.chats(), *self._routed()])

    def routes_changed(self) -> None:
        """Have the menus set again, because the routes have changed."""
        self._met.clear()
        self._refresh([*self._menus.chats(), *self._routed()])

    async def stop(self) -> None:
        """Stop setting menus, because the gateway stops; those that chats have stay as they are."""
        self._due.clear()
        await tasks.cancel(self._task)

    def _of(self, platform: str) -> tuple[ChatMenu, Any] | None:
        menu = _MENUS.get(platform)
        adapter = sending.adapter_named(self._runner, platform) if menu is not None else None
        return (menu, adapter) if menu and adapter and menu.can_set(adapter) else None

    def _routed(self) -> list[tuple[str, str]]:
        """Return the chats that routes name: their menus are set before anybody writes there."""
        config = self._configuration()
        routes = config.table.routes if config is not None else ()
        chats = [(r.platform, r.chat_id) for r in routes if r.enabled and r.chat_id]
        return [chat for chat in dict.fromkeys(chats) if chat[0] in _MENUS][:_MOST_MET]

    # -- setting them --------------------------------------------------------------------------

    def _refresh(self, chats: list[tuple[str, str]]) -> None:
        self._due.update(dict.fromkeys(chats))
        if self._due and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._work(), name="hermes-router-menus")

    async def _work(self) -> None:
        await gateway_runner.until_running(self._runner)
        while self._due:
            platform, chat = next(iter(self._due))
            del self._due[platform, chat]
            try:
                await self._set(platform, chat)
            except Exception as error:  # noqa: BLE001 - boundary: a menu must not fail a turn
                self._met.pop((platform, chat), None)  # the next message there tries again
                logger.warning("the menu of chat %s could not be set: %r", chat, error)

    async def _set(self, platform: str, chat: str) -> None:
        config, found = self._configuration(), self._of(platform)
        if config is None or found is None:
            return
        menu, adapter = found
        met = self._met.get((platform, chat), set())
        who = await asyncio.to_thread(answering, config, platform, chat, tuple(met))
        if all(decision.action == "in_process" for decision in who):
            if self._menus.shown(platform, chat) is not None:
                await menu.drop(adapter, chat)
                self._menus.remember(platform, chat, None)
            return
        commands = await self._together(menu, platform, who)
        name = name_of(commands)
        if commands and self._menus.shown(platform, chat) != name:
            await menu.show(adapter, chat, commands)
            self._menus.remember(platform, chat, name)
            logger.info("the menu of chat %s has %d commands", chat, len(commands))

    async def _together(self, menu: ChatMenu, platform: str, who: list[Decision]) -> Commands:
        """Return the joint menu of the profiles that answer in a chat; empty if none is known."""
        lists = []
        for decision in who:
            offered = self._menus.offered(decision.profile or "", platform)
            if decision.action == "worker" and offered is not None:
                lists.append(offered.commands)
        if lists and any(decision.action == "in_process" for decision in who):
            lists.append(await asyncio.to_thread(menu.own))
        return union(lists, menu.most())
