"""Telling the people of a conversation what becomes of a turn, and of the work in its worker."""

from __future__ import annotations

import logging

from hermes_router.protocol import messages as msg
from hermes_router.protocol.limits import OPEN_FILES
from hermes_router.turns.notices import ended_works, refused_files
from hermes_router.turns.ports import Conversation
from hermes_router.workers.worker_log import one_line

# The turn's own: to whoever reads the log, this is a part of it.
logger = logging.getLogger("hermes_router.turns.turn")

#: Works that a worker names, and letters of each, that people are told of.
_MOST_WORKS, _WORK_LETTERS = 10, 120


class Notifier:
    """What the people of one conversation hear from the router about one turn.

    ``works`` is what lives in its worker and would end with it, in words.
    """

    def __init__(self, conversation: Conversation, turn_id: str) -> None:
        self.works: tuple[str, ...] = ()
        self._conversation = conversation
        self._turn_id = turn_id
        self._hit = False

    async def say(self, text: str) -> bool:
        """Tell them something; say whether there was a way to."""
        try:
            return await self._conversation.notify(text)
        except Exception:
            logger.exception("turn %s: a notice could not be delivered", self._turn_id)
            return False

    async def say_of(self, hit: msg.LimitReached, allowed: int) -> None:
        """Tell them, once, that a program ran into a limit that ends nobody."""
        if hit.limit != OPEN_FILES or not allowed or self._hit:
            return
        self._hit = True
        who = self._conversation.profile.name
        logger.warning("turn %s of %s reached limits.open_files, %d", self._turn_id, who, allowed)
        await self.say(refused_files(allowed, self._turn_id))

    def note_works(self, works: list[str]) -> None:
        """Remember what lives in the worker; what it says is clipped, it may be anything."""
        shown = [one_line(work, _WORK_LETTERS) for work in works[:_MOST_WORKS]]
        if len(works) > _MOST_WORKS:
            shown.append(f"{len(works) - _MOST_WORKS} more")
        if tuple(shown) != self.works:
            self.works = tuple(shown)
            self._conversation.note_works(self._turn_id, self.works)

    def log_ended_works(self, why: str) -> None:
        """Log what ended with the worker."""
        if self.works:
            who, works = self._conversation.profile.name, "; ".join(self.works)
            logger.warning("turn %s of %s: ended, because %s: %s", self._turn_id, who, why, works)

    async def say_ended_works(self, why: str) -> None:
        """Tell them what ended with the worker; untold, it stays noted for the next gateway."""
        if self.works and await self.say(ended_works(self.works, why, self._turn_id)):
            self._conversation.note_works(self._turn_id, ())
