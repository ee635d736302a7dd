"""Send a conversation the notices about one turn, and about the background work in its worker."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from hermes_router.protocol import messages as msg
from hermes_router.protocol.limits import OPEN_FILES
from hermes_router.turns.notices import ended_works, refused_files
from hermes_router.turns.ports import Conversation
from hermes_router.workers.worker_log import one_line

# The logger of the turn: these lines are about the turn.
logger = logging.getLogger("hermes_router.turns.turn")

_Result = TypeVar("_Result")

#: Maximum number of pieces of background work in a notice, and of characters of each.
_MOST_WORKS, _WORK_LETTERS = 10, 120


class Notifier:
    """Sends the notices about one turn to the people of its conversation.

    ``works`` describes each piece of background work in the worker, in words for people. It would
    end if the worker ended.
    """

    def __init__(self, conversation: Conversation, turn_id: str) -> None:
        self.works: tuple[str, ...] = ()
        self._conversation = conversation
        self._turn_id = turn_id
        self._hit = False

    async def say(self, text: str) -> bool:
        """Send a notice into the conversation, once; return True if it could be sent.

        A failure is logged.
        """
        return bool(await self._result(self._conversation.notify(text)))

    async def tell(self, text: str) -> asyncio.Future[bool] | None:
        """Send the notice that messages get instead of an answer; see :meth:`Conversation.tell`."""
        return await self._result(self._conversation.tell(text))

    async def _result(self, sending: Coroutine[Any, Any, _Result]) -> _Result | None:
        try:
            return await sending
        except Exception:
            logger.exception("turn %s: a notice could not be delivered", self._turn_id)
            return None

    async def say_of(self, hit: msg.LimitReached, allowed: int) -> None:
        """Tell people, once a turn, that a program needed more open files than it may have.

        ``allowed`` is the setting ``limits.open_files``. For any other limit in ``hit`` this does
        nothing: those end the worker, and :func:`notice` names them.
        """
        if hit.limit != OPEN_FILES or not allowed or self._hit:
            return
        self._hit = True
        who = self._conversation.profile.name
        logger.warning("turn %s of %s reached limits.open_files, %d", self._turn_id, who, allowed)
        await self.say(refused_files(allowed, self._turn_id))

    def note_works(self, works: list[str]) -> None:
        """Remember what background work goes on in the worker, to name it if the worker ends.

        The worker reports the whole list at each change; it replaces the one before. It is kept on
        the disk too, for the next gateway. At most 10 texts are kept, each shortened to 120
        characters.
        """
        shown = [one_line(work, _WORK_LETTERS) for work in works[:_MOST_WORKS]]
        if len(works) > _MOST_WORKS:
            shown.append(f"{len(works) - _MOST_WORKS} more")
        if tuple(shown) != self.works:
            self.works = tuple(shown)
            self._conversation.note_works(self._turn_id, self.works)

    def log_ended_works(self, why: str) -> None:
        """Write into the gateway's log which background work ended with the worker, if any."""
        if self.works:
            who, works = self._conversation.profile.name, "; ".join(self.works)
            logger.warning("turn %s of %s: ended, because %s: %s", self._turn_id, who, why, works)

    async def say_ended_works(self, why: str) -> None:
        """Tell people which background work ended with the worker; say nothing if there was none.

        If the notice cannot be sent, the work stays noted, and the next gateway tells them.
        """
        if self.works and await self.say(ended_works(self.works, why, self._turn_id)):
            self._conversation.note_works(self._turn_id, ())
