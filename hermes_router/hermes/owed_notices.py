"""Send the notices that messages get instead of an answer; what cannot be sent now is sent later.

A notice is owed while its platform is away. It is sent as soon as it can be, for two days. The
messages that it is about have no outcome before, so that the next gateway tells of them if this one
ends.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from hermes_router.base.tasks import BackgroundTasks
from hermes_router.hermes.compat.seams import gateway_runner, sending
from hermes_router.hermes.compat.seams.sending import Sent

logger = logging.getLogger(__name__)

#: Seconds after which a notice is not sent any more.
_OWED_SECONDS = 48 * 3600.0

_tasks = BackgroundTasks()


async def tell(runner: Any, event: Any, text: str) -> asyncio.Future[bool] | None:
    """Send a notice into the conversation of ``event``; return None if it is not owed.

    It is owed if it was not sent because the platform is away. The result of the returned future is
    True when the notice is owed no more, and False if the gateway stopped before.
    """
    anchor = sending.anchor_of(runner, event)
    sent = await sending.try_to_send(runner, event.source, text, anchor=anchor)
    return _tasks.start(_send(runner, event, text, anchor)) if sent is Sent.LATER else None


async def _send(runner: Any, event: Any, text: str, anchor: str | None) -> bool:
    try:
        sent = await sending.send_in_the_end(
            runner, event.source, text, seconds=_OWED_SECONDS, anchor=anchor
        )
    except Exception:  # boundary: an adapter may raise anything
        logger.exception("hermes-router: an owed notice was not sent")
        return True
    return sent is not Sent.LATER or not gateway_runner.shutting_down(runner)
