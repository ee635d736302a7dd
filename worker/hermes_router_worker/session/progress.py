"""Tell the gateway which of the session's events are done, and which only wait here.

Hermes keeps messages that arrive during a turn in memory: in the adapter's slot, in a burst that it
still collects, in the runner's queue. Those events end with this process. If the gateway knows
which they are, it has the next worker serve them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.session import queues
from hermes_router_worker.process.connection import Connection

_NUMBER = "_hermes_router_number"


class _Reply:
    """The answer that a task of Hermes delivers; ``files`` says whether files follow its text.

    ``number`` is that of the last event that it answers; 0 for an event that Hermes made itself.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.files = False


_reply: ContextVar[_Reply | None] = ContextVar("reply", default=None)
_streams_end: ContextVar[bool] = ContextVar("streams_end", default=False)


class Progress:
    """Follows the gateway's messages ("events") of one session through Hermes, by their numbers.

    It tells the gateway which are done, and which only wait in this process. The gateway has
    another worker serve those that are not done when this one ends.
    """

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._last = 0
        #: The events that Hermes works on.
        self._active: list[int] = []
        #: The accepted events that Hermes has not taken yet, from :meth:`take` to
        #: :meth:`handed_over`; and those of them that are not begun: all but a command that Hermes
        #: executes now.
        self._taking: set[int] = set()
        self._coming: set[int] = set()
        #: The events that Hermes failed to take.
        self._left: set[int] = set()
        #: The events that Hermes has taken and may not have begun; True for a command.
        self._handed: dict[int, bool] = {}
        self._by_id: dict[str, int] = {}
        self._told = msg.Progress(done=0)
        self._asked = -1
        self._adapter: Any = None
        self._silent = False

    def attach(self, adapter: Any) -> None:
        """Set the adapter that holds the waiting events of the session, before the first event.

        The gateway does not know those that wait already, because an earlier worker left them. They
        are not reported to it.
        """
        self._adapter = adapter
        self._disown_waiting()

    def take(self, event: Any, number: int) -> None:
        """Give an event the number that the gateway gave it; from now on it counts as not done.

        The receiver calls this before it tells the gateway that the event is accepted. If an
        earlier event is not done, this one waits.
        """
        self._last = number
        setattr(event, _NUMBER, number)
        if event.message_id is not None:
            self._by_id[str(event.message_id)] = number
        self._taking.add(number)
        self._coming.add(number)

    def take_again(self, event: Any) -> int | None:
        """Note that an event that was taken out of Hermes's queue is on its way to it once more.

        Returns its number, or None if the gateway does not know the event.
        """
        number = self._number(event)
        if number > self._last:
            return None
        self._handed.pop(number, None)
        self._taking.add(number)
        self._coming.add(number)
        return number

    def begin(self, event: Any) -> None:
        """Note that the adapter is about to hand Hermes the event.

        A command does not count as waiting from now on. Of a message, that is known only when
        :meth:`handed_over` is called. Events that wait in Hermes without a number now are Hermes's
        own, for example the next step of a goal.
        """
        self._disown_waiting()
        if event.is_command():
            self._coming.discard(self._number(event))

    def _disown_waiting(self) -> None:
        """Have the events that wait without a number count as none of the gateway's."""
        for event in queues.waiting_messages(self._adapter):
            if not hasattr(event, _NUMBER):
                setattr(event, _NUMBER, None)

    def knows(self, event: Any) -> bool:
        """Return True if the gateway has given this event to this worker.

        Such an event is not saved with the session's state: the gateway has it served, and it
        would be served twice.
        """
        return self._number(event) <= self._last

    def handed_over(self, number: int, *, command: bool) -> None:
        """Note that Hermes has taken the event with this number, without an error.

        Hermes may handle the event in a task that has not begun, or join it to another event that
        waits; it never joins a ``command``. An event that waits in Hermes without a number, and did
        not when this one began, is a copy of it and gets its number.
        """
        self._taking.discard(number)
        self._coming.discard(number)
        self._handed[number] = command
        for event in queues.waiting_messages(self._adapter):
            if not hasattr(event, _NUMBER) and not getattr(event, "internal", False):
                setattr(event, _NUMBER, number)

    def not_taken(self, number: int) -> None:
        """Note that Hermes raised when it was handed this event, so that another worker serves it.

        It is reported to wait until :meth:`gave_back`. If Hermes works on it all the same, or has
        it wait, this does what :meth:`handed_over` does.
        """
        if number in {*self._active, *self._queued()}:
            self.handed_over(number, command=False)
            return
        self._taking.discard(number)
        self._coming.discard(number)
        self._left.add(number)

    def holds(self, event: Any) -> bool:
        """Say whether Hermes works on an event, or has it wait."""
        waits = any(one is event for one in queues.waiting_messages(self._adapter))
        return waits or self._number(event) in self._active

    def gave_back(self) -> None:
        """Forget the events that Hermes failed to take, once this worker has reported to be idle.

        The gateway then has another worker serve them.
        """
        self._left.clear()

    @contextlib.contextmanager
    def processing(self, event: Any) -> Iterator[None]:
        """Take the adapter calls in the block as the answer to an event.

        The adapter wraps Hermes's processing of the event in it. After the block, the event is
        done, also if the block raised.
        """
        number = self._number(event)
        self._handed.pop(number, None)
        self._active.append(number)
        token = _reply.set(_Reply(self._with_joined(number) if number <= self._last else 0))
        try:
            yield
        finally:
            _reply.reset(token)
            self._active.remove(number)

    def _with_joined(self, number: int) -> int:
        """Return the number of the last event that Hermes has joined to this one before its turn.

        An event that it only keeps waiting is not joined.
        """
        first = min(self._queued(), default=self._last + 1)
        joined = (n for n, command in self._handed.items() if not command and n < first)
        return max([number, *joined])

    def answered_by(self, method: str, args: dict[str, Any]) -> int:
        """Return the number of the last event whose answer ends with this adapter call, or 0.

        The adapter sends the number with the call, so that the gateway knows what has been
        answered. Hermes marks the text and the files of an answer; a marked text is the end if no
        file follows it. An event that came meanwhile is part of the answer if the model was asked
        for it too.
        """
        reply = _reply.get()
        if reply is None or (method in {"send", "edit_message"} and reply.files):
            return 0
        marked = (args.get("metadata") or {}).get("notify") is True and method.startswith("send")
        if not (marked or (_streams_end.get() and method in {"send", "edit_message"})):
            return 0
        return max(reply.number, self._asked) if reply.number else 0

    async def tell(self) -> None:
        """Tell the gateway which events are done and which wait, if that has changed.

        A closed pipe is ignored. Nothing is sent after :meth:`tell_last`.
        """
        if not self._silent:
            await self._send(self._now())

    async def _send(self, now: msg.Progress) -> None:
        if now != self._told:
            self._told = now
            with contextlib.suppress(OSError):
                await self._link.send(now)

    async def note_begun(self) -> None:
        """Have the gateway note that the model is asked for the events that do not wait.

        A turn calls this before each request to the model. It returns when the gateway has noted
        it, and sends nothing if the gateway knows already. From now on, these events are part of
        the next answer.

        Raises:
            LookupError: :meth:`tell_last` has reported that the event waits, so another worker
                serves it.
            CallFailed: the gateway has ended meanwhile.
            OSError: the pipe is closed.
        """
        await self.tell()
        if self._silent and not set(self._told.waiting).isdisjoint(self._active):
            raise LookupError("another worker serves the event")
        waiting = {*self._told.waiting, *self._taking} - self._left
        asked = min(waiting, default=self._last + 1) - 1
        if asked > self._asked:
            await self._link.ask(lambda number: msg.ModelRequest(id=number, upto=asked))
            self._asked = asked

    async def tell_last(self, hold: Callable[[], object]) -> None:
        """Report the progress a last time, before the session interrupts what runs.

        An event that is interrupted after this is not done. ``hold`` is called to keep Hermes from
        beginning the events that wait, or that it has not got: another worker serves them.
        """
        self._silent = True
        last = self._now()
        hold()
        await self._send(last)

    def _now(self) -> msg.Progress:
        if not (self._active or self._taking or queues.working(self._adapter)):
            self._handed.clear()
        queued = self._queued()
        first = min(queued, default=self._last + 1)
        joined = {n for n, command in self._handed.items() if n > first and not command}
        open_ = [*self._active, *self._taking, *self._handed, *queued]
        done = min(open_, default=self._last + 1)
        # One that a later event has overtaken waits: what answers that event does not answer it.
        coming = {n for n in self._coming if n > done or self._active or self._silent}
        return msg.Progress(done=done, waiting=sorted(queued | joined | coming | self._left))

    def _queued(self) -> set[int]:
        """Return the numbers of the gateway's events that wait in Hermes."""
        waiting = queues.waiting_messages(self._adapter)
        return {self._number(event) for event in waiting} - {self._last + 1}

    def _number(self, event: Any) -> int:
        """Return an event's number; Hermes's own events get a number after all of the gateway's.

        Hermes may work on a copy of the event; the copy is found by the message's id.
        """
        number: int | None = getattr(event, _NUMBER, None)
        if number is None and not getattr(event, "internal", False):
            number = self._by_id.get(str(event.message_id))
        return self._last + 1 if number is None else number


# -- the end of an answer ------------------------------------------------------------------------


def note_files(files: Any) -> None:
    """Note that files follow the text of the answer that is being delivered.

    The text then does not count as the answer's end. ``files`` are those that Hermes found in the
    answer; if there are none, nothing changes. Called where Hermes extracts the files.
    """
    reply = _reply.get()
    if reply is not None and files:
        reply.files = True


def follow_streams() -> None:
    """Patch Hermes so that :meth:`Progress.answered_by` knows the last call of a streamed answer.

    A session calls it once, at its start.
    """
    replacements.SEND_STREAM.replace(_with_mark)


def _with_mark(original: Any) -> Any:
    async def send_or_edit(self: Any, *args: Any, is_turn_final: bool = True, **kwargs: Any) -> Any:
        token = _streams_end.set(is_turn_final)
        try:
            return await original(self, *args, is_turn_final=is_turn_final, **kwargs)
        finally:
            _streams_end.reset(token)

    return send_or_edit
