"""The policy for kanban notices: which subscription of the board the gateway serves.

A subscription on the board asks the gateway to report about a card in a conversation. Processes of
all profiles write to the board, so a subscription is only a request. The gateway serves a routed
profile's subscription only if that profile may send to the conversation. The board cannot prove who
wrote a subscription, because several profiles write to one file. A worker's Hermes writes the name
of its profile into it (:mod:`hermes_router_worker.hermes.features.kanban`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from hermes_router.config.model import RouterConfig
from hermes_router.relay.delivery_policy import Sender, bots, spelled
from hermes_router.routing.table import Place
from hermes_router.state.known_conversations import KnownConversation

logger = logging.getLogger(__name__)

Row = dict[str, Any]

#: Maximum number of refused subscriptions that are logged, each once.
_MOST_COMPLAINTS = 1000


class Subscriptions:
    """Decides which subscriptions of the kanban board this gateway serves.

    A subscription is a row of the board's database: who is told where when a card changes. ``seen``
    returns the conversations that a profile has served.
    """

    def __init__(self, seen: Callable[[str], Iterable[KnownConversation]]) -> None:
        """``seen`` returns the conversations that a profile has served."""
        self._seen = seen
        self._woken: set[tuple[str, str, str, str]] = set()
        self._told: set[tuple[str, ...]] = set()
        self._complaints: set[tuple[str, str]] = set()

    def served(self, row: Row, config: RouterConfig) -> Row | None:
        """Return a subscription as Hermes's notifier shall see it; None if it must not see it.

        A routed profile's subscription is returned as one of the gateway's, because only the
        gateway is connected to the platform. If the profile may not send there, None is returned,
        and so for a subscription of the gateway's own for a routed place. Each refusal is logged
        once.
        """
        place = _place(row)
        decision = config.decide(place)
        owner = str(row.get("notifier_profile") or "")
        # An old Hermes writes no owner; then it is the profile that answers in the place.
        if "notifier_profile" not in row and decision.action == "worker":
            owner = decision.profile or ""
        if owner in config.worker_profiles():
            return self._of_a_routed_profile(row, place, owner, config)
        if decision.action == "worker" and owner in {"", config.gateway_profile}:
            self._refuse(row, place, f"it is routed to profile {decision.profile}")
            return None
        return row

    def _of_a_routed_profile(
        self, row: Row, place: Place, owner: str, config: RouterConfig
    ) -> Row | None:
        target = Place(place.platform, place.chat_id, place.thread_id)
        may_send = list(bots(config, Sender(profile=owner), target, self._seen(owner)))
        if not may_send:
            setting = f"hermes_router.profiles.{owner}.deliver"
            self._refuse(row, place, f"profile {owner} may not send there ({setting})")
            return None
        key = _key(row)
        bot = may_send[0]
        if config.decide(msgspec.structs.replace(place, bot=bot)).profile == owner:
            self._woken.add(key)
        self._told.add(key)
        return row | {"notifier_profile": bot}

    def _refuse(self, row: Row, place: Place, why: str) -> None:
        complaint = (str(row["task_id"]), spelled(place))
        if complaint not in self._complaints and len(self._complaints) < _MOST_COMPLAINTS:
            self._complaints.add(complaint)
            logger.warning("kanban card %s: %s gets no notice of it: %s", *complaint, why)

    def wakes(self, text: str, place: Place) -> bool | None:
        """Return whether Hermes may begin a turn in ``place`` with its text about a card.

        The router asks this about each message, because Hermes sends itself such a text. True if
        the place is routed to the profile that subscribed to the card there. False if that profile
        only gets the notice there. None if the text names no such card: then it is another message.
        """
        where = (place.platform, str(place.chat_id), str(place.thread_id or ""))
        for known, answer in ((self._woken, True), (self._told, False)):
            cards = tuple(known)  # Hermes lists subscriptions in a thread, which may add one now
            if any(task in text for task, *rest in cards if tuple(rest) == where):
                return answer
        return None


def _place(row: Mapping[str, Any]) -> Place:
    thread, user = row.get("thread_id"), row.get("user_id")
    return Place(
        str(row["platform"]).lower(),
        str(row["chat_id"]),
        str(thread) if thread else None,
        str(user) if user else None,
    )


def _key(row: Mapping[str, Any]) -> tuple[str, str, str, str]:
    place = _place(row)
    return (str(row["task_id"]), place.platform, str(place.chat_id), place.thread_id or "")
