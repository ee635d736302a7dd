"""Tell the places of routed profiles when the gateway goes down, and when it is back.

A profile's own gateway would say so where its turns run, and in the profile's home channel. Here
one gateway serves all profiles: it uses Hermes's texts, in each profile's language.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from hermes_router.base.errors import ConfigError, RouterError
from hermes_router.hermes.compat.seams import gateway_runner, sending, texts
from hermes_router.hermes.delivery import GatewayDelivery
from hermes_router.jobs.scheduler import Member
from hermes_router.profiles.model import Profile
from hermes_router.profiles.own_home import display_language, own_homes
from hermes_router.protocol import messages as msg
from hermes_router.relay.attachments import Spool
from hermes_router.relay.delivery_policy import Sender, spelled
from hermes_router.routing.table import Place

logger = logging.getLogger(__name__)

#: Hermes's keys of the texts; for each key, the English text for a Hermes that lacks the key.
GOES_DOWN = "gateway.shutdown.notice_shutdown"
RESTARTS = "gateway.shutdown.notice_restart"
IS_BACK = "gateway.startup.online"
_ENGLISH = {
    GOES_DOWN: "⚠️ Gateway shutting down — Your current task will be interrupted.",
    RESTARTS: "⚠️ Gateway restarting — Your current task will be interrupted. "
    "Send any message after restart and I'll try to resume where you left off.",
    IS_BACK: "♻️ Gateway online — Hermes is back and ready.",
}

#: Seconds that a notice may take. A gateway that goes down does not wait long. After a restart, an
#: adapter that has just connected refuses messages for a while.
_GOING_SECONDS = 10.0
_BACK_SECONDS = 60.0


class HomeNotices:
    """Sends Hermes's notices that one gateway stops or is back, to the places of its profiles."""

    def __init__(self, runner: Any, delivery: GatewayDelivery) -> None:
        self._runner = runner
        self._delivery = delivery
        self._expected = gateway_runner.restart_was_planned()

    async def tell_turns(self) -> set[str]:
        """Tell places in which a routed turn runs that the gateway stops, in their own language.

        This is done only if the text in the profile's language differs from the gateway's. Returns
        the keys of the sessions that have been told; Hermes tells the others itself.
        """
        key, told = self._gone(), set()
        texts_in: dict[str, set[str]] = defaultdict(set)
        for session, turn, source in gateway_runner.running_turns(self._runner):
            profile = getattr(turn, "profile", None)
            if not isinstance(profile, Profile) or source is None or not self._wanted(source):
                continue
            text = text_of(key, await asyncio.to_thread(display_language, profile))
            known = text in texts_in[_spelled(source)]  # several people's turns may run in a place
            if known or (
                text != text_of(key, None) and await sending.send_to(self._runner, source, text)
            ):
                texts_in[_spelled(source)].add(text)
                told.add(session)
        return told

    def _wanted(self, source: Any) -> bool:
        settings = self._runner.config.platforms.get(source.platform)
        return bool(getattr(settings, "gateway_restart_notification", True))

    def _gone(self) -> str:
        return RESTARTS if gateway_runner.restart_requested(self._runner) else GOES_DOWN

    async def going(self, members: Iterable[Member]) -> None:
        """Tell the home channels of ``members`` that the gateway stops or restarts.

        If somebody in a chat asked for the restart, nothing is sent, as in Hermes. A home channel
        in which a turn runs is left out: it gets the notice about its turn. A notice that cannot be
        sent within 10 s is logged, and not sent again.
        """
        key = self._gone()
        if key == RESTARTS and gateway_runner.restart_was_commanded(self._runner):
            return
        await self._tell(members, key, self._in_turn())

    async def back(self, members: Iterable[Member]) -> None:
        """Tell the home channels of ``members`` that the gateway is back after a planned restart.

        It waits until the platforms are connected. Nothing is sent after any other start, nor if a
        chat asked for the restart.
        """
        if self._expected:
            await gateway_runner.until_running(self._runner)
            await self._tell(members, IS_BACK, set())

    async def _tell(self, members: Iterable[Member], key: str, heard: set[str]) -> None:
        heard |= self._gateways_own()
        variables = {
            platform.value: sending.home_variable(platform.value)
            for platform in self._runner.adapters
        }
        async with asyncio.TaskGroup() as tasks:
            for member in members:
                homes = await asyncio.to_thread(own_homes, member.profile, variables)
                for home in homes:
                    if home.told and spelled(home.place) not in heard:
                        heard.add(spelled(home.place))
                        tasks.create_task(self._send(member.profile, home.place, key))

    async def _send(self, profile: Profile, place: Place, key: str) -> None:
        language = await asyncio.to_thread(display_language, profile)
        parcel = msg.Deliver(
            id=0,
            platform=place.platform,
            chat_id=place.chat_id or "",
            thread_id=place.thread_id,
            text=text_of(key, language),
        )
        try:
            async with asyncio.timeout(_BACK_SECONDS if key == IS_BACK else _GOING_SECONDS):
                sent = await self._delivery.carry(
                    Sender(profile=profile.name), parcel, Spool(limit=0)
                )
        except (RouterError, ConfigError, TimeoutError) as error:
            sent = {"error": str(error) or "it took too long"}
        if sent.get("error"):
            logger.warning("the home channel of %s got no notice: %s", profile.name, sent["error"])
        else:
            logger.info("the home channel of %s got a notice: %s", profile.name, parcel.text)

    def _in_turn(self) -> set[str]:
        """Return the places in which a turn runs."""
        sources = [source for _key, _turn, source in gateway_runner.running_turns(self._runner)]
        return {_spelled(source) for source in sources if source is not None}

    def _gateways_own(self) -> set[str]:
        homes = [self._runner.config.get_home_channel(name) for name in self._runner.adapters]
        return {_spelled(home) for home in homes if home is not None}


def text_of(key: str, language: str | None) -> str:
    """Return Hermes's text in a language; the English text of this module if Hermes has none."""
    return texts.text_in(key, language) or _ENGLISH[key]


def _spelled(place: Any) -> str:
    thread = str(place.thread_id) if place.thread_id else None
    return spelled(
        Place(platform=place.platform.value, chat_id=str(place.chat_id), thread_id=thread)
    )
