"""The lane of one session: which turn occupies it, and which messages wait."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import anyio

from hermes_router.turns.gate import StoppedWaiting, Waiting
from hermes_router.turns.ports import Conversation
from hermes_router.turns.turn import Turn
from hermes_router.turns.voice import Voice, same_bot


@dataclass(slots=True)
class Lane:
    """The queue of one session's messages, and the turn that occupies it.

    Attributes:
        lock: held by the message that is next, while it looks for a turn.
        turn: the turn that occupies the lane, or None; ``voice`` is the conversation in which it
            speaks.
        stopped: when a person last sent /stop to the messages that wait here; monotonic seconds.
        behind: the messages that wait for the one before them.
        aside: the messages that wait for a turn that speaks by another bot than theirs: each one's
            conversation, and the block that cancels its wait.
        users: how many messages look for a turn here now.
    """

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    turn: Turn | None = None
    voice: Voice | None = None
    stopped: float = 0.0
    behind: list[Waiting] = field(default_factory=list)
    aside: list[tuple[Conversation, anyio.CancelScope]] = field(default_factory=list)
    users: int = 0

    def open_turn(self) -> Turn | None:
        """Return the turn whose worker accepts messages of this session, or None.

        The turn may speak by another bot than the one that a message is for: see :meth:`turn_for`.
        """
        return self.turn if self.turn is not None and self.turn.open else None

    def turn_for(self, conversation: Conversation) -> Turn | None:
        """Return the open turn if it speaks by the bot of this conversation, or None.

        A session of a private chat may have several bots; a message to one must not get another's
        answer.
        """
        same = self.voice is not None and same_bot(self.voice, conversation)
        return self.open_turn() if same else None

    def joined(self, conversation: Conversation) -> Turn | None:
        """Return the open turn if it may take a message of this conversation, or None.

        It may if it speaks by the bot of the conversation. If it speaks by another bot, it may once
        it has answered everything: this call switches it to the new bot. So the caller must offer
        the message at once.
        """
        turn = self.open_turn()
        if turn is None or self.voice is None or self.elsewhere(conversation) is not None:
            return None
        self.voice.current = conversation
        return turn

    def elsewhere(self, conversation: Conversation) -> Turn | None:
        """Return the open turn if it speaks by another bot and still has to answer there, or None.

        A message of ``conversation`` must wait for such a turn.
        """
        turn = self.open_turn()
        if turn is None or turn.settled:
            return None
        return None if self.turn_for(conversation) is turn else turn

    async def until_settled(self, turn: Turn, conversation: Conversation, message: Waiting) -> None:
        """Wait until ``turn``, which speaks by another bot, has answered everything.

        Until then ``message`` is in ``behind``, so that the status shows it.

        Raises:
            StoppedWaiting: :meth:`stop_aside` was called for its conversation.
        """
        waits = (conversation, anyio.CancelScope())
        self.behind.append(message)
        self.aside.append(waits)
        try:
            with waits[1]:
                await turn.until_settled()
        finally:
            self.behind.remove(message)
            self.aside.remove(waits)
        if waits[1].cancel_called:
            raise StoppedWaiting("it was stopped before it began")

    def stop_aside(self, conversation: Conversation) -> int:
        """Drop the messages to this conversation's bot that wait for another bot; return how many.

        For each of them :meth:`until_settled` raises ``StoppedWaiting``. Messages to other bots,
        and the turn, go on.
        """
        stopped = [
            scope
            for waits, scope in self.aside
            if same_bot(waits, conversation) and not scope.cancel_called
        ]
        for scope in stopped:
            scope.cancel()
        return len(stopped)

    @contextlib.asynccontextmanager
    async def next_one(self, message: Waiting) -> AsyncIterator[None]:
        """Wait until it is this message's turn to look for a turn here; then run the block.

        Each message before it has left its block by then. While it waits, it is in ``behind``.
        """
        self.behind.append(message)
        try:
            await self.lock.acquire()
        finally:
            self.behind.remove(message)
        try:
            yield
        finally:
            self.lock.release()
