"""Work that the gateway's own profile began in a place before the place was routed.

Hermes goes on with it by itself: it repeats a prompt (``/loop``, ``/heartbeat``), takes a goal's
next step (``/goal``), reports the end of background work, or continues a turn after a restart. In a
routed place the gateway's profile may not answer, and the place's own profile knows nothing of that
work. So nobody does it. The same holds for a session that a terminal hands over (``/handoff``),
though Hermes says there that it has succeeded.
"""

from __future__ import annotations

import logging
from typing import Any

from hermes_router.base.bounded import BoundedMap
from hermes_router.config.model import Decision
from hermes_router.hermes.compat.events import made_by_hermes, place_of
from hermes_router.relay.delivery_policy import spelled

logger = logging.getLogger(__name__)

#: Maximum number of places that are remembered because the log has named them.
_REMEMBERED = 1024


class LeftOver:
    """Recognises Hermes's events for work that was begun in a place before the place was routed.

    The gateway's own profile began it, and may not answer there any more.
    """

    def __init__(self) -> None:
        self._logged: BoundedMap[str, bool] = BoundedMap(_REMEMBERED)

    def goes_on(self, event: Any, decision: Decision) -> bool:
        """Return True if an event goes on with work that was begun before its place was routed.

        The router then drops the event. ``decision`` is what the routes say about the place. The
        first such event of a place is logged.
        """
        if not made_by_hermes(event):
            return False
        place = spelled(place_of(event.source))
        if place not in self._logged:
            self._logged[place] = True
            answers = (
                f"profile {decision.profile} answers" if decision.profile else "nobody answers"
            )
            logger.warning(
                "hermes-router: %s in %s now: what the gateway's own profile began there before "
                "(a recurring prompt, a goal, background work, a cut-off turn, a session handed "
                "over from a terminal) does not go on",
                answers,
                place,
            )
        return True
