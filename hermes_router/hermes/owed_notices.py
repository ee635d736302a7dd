"""Send the notices that are the outcome of messages; what cannot be sent now is sent later."""

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


class OwedNotices:
    """The notices that say what became of messages, for one conversation.

    A notice is owed while its platform is away. It is sent as soon as it can be, for two days. The
    messages that it is about have no outcome before, so that the next gateway tells of them if this
    one ends.
    """

    def __init__(self, runner: Any) -> None:
        self._runner = runner
        self._tasks = BackgroundTasks()
        self._owed = 0

    def __bool__(self) -> bool:
        """Return True while a notice is owed."""
        return self._owed > 0

    async def tell(self, event: Any, text: str) -> bool:
        """Send a notice into the conversation of ``event``; return True if it was sent now.

        If it was not sent because the platform is away, it is owed from now on.
        """
        anchor = sending.anchor_of(self._runner, event)
        sent = await sending.try_to_send(self._runner, event.source, text, anchor=anchor)
        if sent is Sent.LATER:
            self._owed += 1
            self._tasks.start(self._send(event, text, anchor))
        return sent is Sent.YES

    async def sent(self) -> bool:
        """Wait until no notice is owed; return False if the gateway stops before."""
        while tasks := list(self._tasks):
            await asyncio.wait(tasks)
        return not self

    async def _send(self, event: Any, text: str, anchor: str | None) -> None:
        sent = Sent.NO
        try:
            sent = await sending.send_in_the_end(
                self._runner, event.source, text, seconds=_OWED_SECONDS, anchor=anchor
            )
        except Exception:  # boundary: an adapter may raise anything
            logger.exception("hermes-router: an owed notice was not sent")
        if sent is not Sent.LATER or not gateway_runner.shutting_down(self._runner):
            self._owed -= 1
