"""What a gateway left behind that was cut off: who waits in vain is told by the next one."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from hermes_router.hermes.compat import seams
from hermes_router.hermes.compat.events import place_of
from hermes_router.state.journal import Works
from hermes_router.turns.notices import ended_works

logger = logging.getLogger(__name__)

_CUT_OFF = (
    "⚠️ The gateway was cut off before your last message here was answered. Please send it again."
)
_WENT = "the gateway that it belonged to was stopped or cut off"


async def tell(runner: Any, unanswered: Iterable[dict[str, Any]], works: Iterable[Works]) -> None:
    """Tell who waits for what will not come any more, when the gateway is up.

    ``unanswered`` are the sources of messages; a place is told once, however many were open there.
    """
    await seams.until_running(runner)
    told = set()
    for source in map(seams.source_of, unanswered):
        place = place_of(source)
        if place not in told:
            told.add(place)
            await seams.send_to(runner, source, _CUT_OFF)
    for ended in works:
        logger.warning("hermes-router: ended with the gateway: %s", "; ".join(ended.works))
        text = ended_works(ended.works, _WENT)
        await seams.send_to(runner, seams.source_of(ended.source), text)
