"""Who on the kanban board is told, and where: the relay's policy for the board's notices.

The gateway tells of a card where its board says so. The board is written by the processes of all
profiles, so that what stands there is a wish: of a routed profile it is granted where that profile
may send. Who wished cannot be proved where several profiles write one file; what a worker's Hermes
writes bears the name of its profile (:mod:`hermes_router_worker.hermes.features.kanban`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hermes_router.config.model import RouterConfig
from hermes_router.relay.delivery_policy import Sender, may_send, spelled
from hermes_router.routing.table import Place
from hermes_router.state.known_conversations import KnownConversation

logger = logging.getLogger(__name__)

Row = dict[str, Any]

#: Whose subscriptions are told of once; afterwards they are refused in silence.
_MOST_COMPLAINTS = 1000


class Subscriptions:
    """The subscriptions of one board as this gateway serves them."""

    def __init__(self, seen: Callable[[str], Iterable[KnownConversation]]) -> None:
        """``seen`` returns the conversations that a profile has served."""
        self._seen = seen
        self._woken: set[tuple[str, str, str, str]] = set()
        self._told: set[tuple[str, ...]] = set()
        self._complaints: set[tuple[str, str]] = set()

    def served(self, row: Row, config: RouterConfig) -> Row | None:
        """Return a subscription as Hermes is to see it; None where nobody is to be told.

        One of a routed profile is made the gateway's own: nobody else holds the platform.
        """
        place = _place(row)
        decision = config.decide(place)
        owner = str(row.get("notifier_profile") or "")
        # An old Hermes notes no owner: who answers there is taken for it.
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
        if not may_send(config, Sender(profile=owner), target, self._seen(owner)):
            setting = f"hermes_router.profiles.{owner}.deliver"
            self._refuse(row, place, f"profile {owner} may not send there ({setting})")
            return None
        key = _key(row)
        if config.decide(place).profile == owner:
            self._woken.add(key)
        self._told.add(key)
        return row | {"notifier_profile": None}

    def _refuse(self, row: Row, place: Place, why: str) -> None:
        complaint = (str(row["task_id"]), spelled(place))
        if complaint not in self._complaints and len(self._complaints) < _MOST_COMPLAINTS:
            self._complaints.add(complaint)
            logger.warning("kanban card %s: %s is not told of it: %s", *complaint, why)

    def wakes(self, text: str, place: Place) -> bool | None:
        """Say whether words of Hermes about a card go on to the session of ``place``.

        None where they are about no card of a routed profile.
        """
        where = (place.platform, str(place.chat_id), str(place.thread_id or ""))
        for known, answer in ((self._woken, True), (self._told, False)):
            if any(task in text for task, *rest in known if tuple(rest) == where):
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
