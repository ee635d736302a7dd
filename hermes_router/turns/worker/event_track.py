"""Follow the messages that one worker accepted, until each has its outcome.

A worker works on the messages of its session in the order of their numbers. It reports a number
before which all messages are done, and the numbers that still wait in it. Each change is written to
the gateway's ledger of messages, if the message has an entry there.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Collection

import anyio

from hermes_router.state.ledger import Entry, Step

#: Seconds after which a reply that the platform has not confirmed may be lost.
_STALLED_SECONDS = 5.0


class Outcome(enum.Enum):
    """The outcome of a message that was offered to a worker: what became of it."""

    ANSWERED = enum.auto()
    AGAIN = enum.auto()  # the worker ended before it began the message: the next worker serves it
    ENDED = enum.auto()  # the worker ended while it worked on it, and people got the notice
    CUT_OFF = enum.auto()  # the gateway's stop interrupted it: the next one continues it, or tells
    CLOSED = enum.auto()  # the gateway stops, so no worker takes the message any more


class Stage(enum.Enum):
    """How far a worker is with a message that it has accepted."""

    ACCEPTED = enum.auto()  # the worker has reported nothing since
    WAITING = enum.auto()  # it waits in the worker
    NEXT = enum.auto()  # it waited, and Hermes took it out of its queue; the model was not asked
    BEGUN = enum.auto()  # the worker works on it: tools may have run


class EventTrack:
    """Follows one message to its outcome; the event ``settled`` is set when ``outcome`` is known.

    Attributes:
        entry: its entry in the ledger, or None if it has none there.
        stage: how far its worker is with it.
        answered: True if the platform has taken its reply.
        since: when a worker accepted it, in monotonic seconds.
    """

    def __init__(self, entry: Entry | None = None) -> None:
        self.entry = entry
        #: True if a notice said that no worker gets the message, or if it needs no worker.
        self.told = False
        #: The notice that is the message's outcome, if it could not be sent yet.
        self.owed: asyncio.Future[bool] | None = None
        self.begin()

    def begin(self) -> None:
        """Forget the outcome and the stage, because the message is offered to another worker."""
        self.outcome: Outcome | None = None
        self.settled = anyio.Event()
        self.stage = Stage.ACCEPTED
        self.answered = False
        self.since = time.monotonic()

    def given_to(self, turn_id: str) -> None:
        """Remember which turn is given the message; the ledger's next line about it says so."""
        if self.entry is not None:
            self.entry.turn = turn_id

    def finish(self, outcome: Outcome) -> None:
        """Set the outcome and the event ``settled``; do nothing if there is an outcome already."""
        if self.outcome is None:
            self.outcome = outcome
            self.settled.set()

    @property
    def waiting(self) -> bool:
        """True if the message waits in the worker, which answers an earlier one."""
        return self.stage is Stage.WAITING

    @property
    def untouched(self) -> bool:
        """True if no worker has begun the message, and no notice was sent about it.

        Such a message may be served again without being answered twice.
        """
        began = self.entry is None or self.entry.step is not Step.ACCEPTED
        done = self.told or self.outcome in {Outcome.ANSWERED, Outcome.ENDED}
        return not (began or done)

    @property
    def after_stop(self) -> Outcome:
        """The outcome of an unanswered message when a stop of the gateway ends its worker.

        An untouched message is served again by the next gateway. For any other, the next gateway
        continues its work or sends a notice.
        """
        return Outcome.AGAIN if self.untouched else Outcome.CUT_OFF

    def note(self, step: str, *names: str) -> None:
        """Write to the ledger how far the message is, if it has an entry there.

        ``step`` is the name of a method of :class:`~hermes_router.state.ledger.Entry`, and
        ``names`` are its arguments.
        """
        if self.entry is not None:
            getattr(self.entry, step)(*names)


class TakenEvents:
    """The messages that one worker has accepted and that have no outcome yet, by event number.

    ``count`` is how many it has accepted in all. The worker session calls the methods as the worker
    reports its progress.
    """

    def __init__(self) -> None:
        self.count = 0
        self._tracks: dict[int, EventTrack] = {}

    @property
    def served(self) -> bool:
        """True if the worker has accepted messages, and none would be lost if it ended now.

        A message that it has not begun is not lost: another worker serves it.
        """
        return self.count > 0 and not any(self._lost(n) for n in self._tracks)

    def take(self, number: int, track: EventTrack) -> None:
        """Follow message ``number`` from now on, because the worker has accepted it."""
        self.count += 1
        self._tracks[number] = track

    def waiting(self) -> list[float]:
        """Return when each message that waits in the worker was accepted, in monotonic seconds."""
        return [track.since for track in self._tracks.values() if track.waiting]

    def behind(self) -> int:
        """Return how many messages wait in the worker, or were accepted behind others just now."""
        return sum(track.waiting or self._is_behind(n) for n, track in self._tracks.items())

    def progress(self, *, done: int, waiting: Collection[int]) -> None:
        """Note the worker's report: which messages are done, and which still wait in it.

        All messages before number ``done`` count as answered, except those in ``waiting``, which
        the worker has not begun. A message that has waited is begun only when the model is asked
        for it, and so is message ``done``: Hermes takes the next one from its queue before it has
        sent the end of an answer. Any other message is a command, or part of the running turn, and
        is begun.
        """
        for number, track in list(self._tracks.items()):
            if number in waiting:
                track.stage = Stage.WAITING
            elif track.stage in {Stage.WAITING, Stage.NEXT}:
                track.stage = Stage.NEXT
            else:
                track.stage = Stage.BEGUN
                if number != done:
                    track.note("begun")  # for the oldest one, the model request is the sign
            if number < done and not track.waiting:
                self._tracks.pop(number).finish(Outcome.ANSWERED)

    def all_done(self) -> None:
        """Give each message its outcome and forget it, because the worker reports that it is idle.

        A message that still waits, and has no answer, gets ``AGAIN``: another worker serves it.
        Every other message gets ``ANSWERED``.
        """
        for track in self._tracks.values():
            again = track.waiting and not track.answered
            track.finish(Outcome.AGAIN if again else Outcome.ANSWERED)
        self._tracks.clear()

    def cut_off(self, *, interrupted: bool = False) -> None:
        """Give each message its outcome, because the gateway's stop interrupted the worker.

        The next gateway serves a message that the worker had not begun, and continues one that it
        had. If the run of the model was ``interrupted``, a delivered text is no answer: Hermes ends
        a text that was cut off in the same way as a complete one.
        """
        for track in self._tracks.values():
            if interrupted and track.stage is Stage.BEGUN:
                track.answered = False
            if track.answered:
                continue
            if not track.waiting:
                track.note("cut_off")
            track.finish(track.after_stop)
        self.all_done()

    def begun(self, last: int) -> None:
        """Write to the ledger that the model is asked for the messages up to number ``last``.

        Tools may run from now on, so no other worker may serve these messages. Those that wait in
        the worker are left out.
        """
        numbers = self.worked_on(last)
        for number in numbers:
            self._tracks[number].stage = Stage.BEGUN
        self._note(numbers, "begun")

    def said(self) -> None:
        """Write to the ledger that people can read a part of the answer to the messages in work."""
        begun = (n for n, track in self._tracks.items() if track.stage is Stage.BEGUN)
        self._note(self.worked_on(max(begun, default=0)), "said")

    def worked_on(self, last: int) -> frozenset[int]:
        """Return the numbers of the messages up to number ``last`` that the worker works on now.

        An answer whose sending begins now is for these messages. Messages that have an answer are
        left out, unless all have one: then this is a further part of it. A message that the worker
        begins later gets an answer of its own.
        """
        current = {n: t for n, t in self._tracks.items() if n <= last and not t.waiting}
        unanswered = frozenset(n for n, track in current.items() if not track.answered)
        return unanswered or frozenset(current)

    def trying(self, numbers: Collection[int], name: str) -> asyncio.TimerHandle:
        """Write to the ledger that the platform is asked to send the last part of an answer.

        The answer is for the messages with these ``numbers``. ``name`` is the name of the text, a
        hash. The caller must cancel the returned timer when the platform has replied. After 5 s the
        timer writes that the text may be lost.
        """
        self._note(numbers, "trying", name)
        loop = asyncio.get_running_loop()
        return loop.call_later(_STALLED_SECONDS, self._note, numbers, "stalled")

    def tried(self, numbers: Collection[int], *, success: bool) -> None:
        """Write to the ledger whether the last part of the answer to these messages was delivered.

        With ``success`` they count as answered, also if the worker ends now.
        """
        self._note(numbers, "answered" if success else "failed")
        for number in numbers:
            if success and number in self._tracks:
                self._tracks[number].answered = True

    def close(self, *, stopped: bool = False) -> None:
        """Give each message its outcome and forget it, because the worker is gone.

        A message with an answer is answered; one that the worker had begun has ended without. One
        that it had not begun is served again. With ``stopped`` the gateway's stop ended the worker,
        and the next gateway goes on.
        """
        ended = Outcome.CUT_OFF if stopped else Outcome.ENDED
        lost = {number: self._lost(number) for number in self._tracks}
        for number, track in self._tracks.items():
            if track.answered:
                track.finish(Outcome.ANSWERED)
            elif lost[number]:
                track.finish(ended)
            else:
                track.finish(track.after_stop if stopped else Outcome.AGAIN)
        self._tracks.clear()

    def _lost(self, number: int) -> bool:
        """Return True if the worker's end leaves a message unanswered that it had begun.

        A message that was accepted behind another, with no report of the worker since, only waited.
        """
        track = self._tracks[number]
        untouched = self._is_behind(number) or track.stage in {Stage.WAITING, Stage.NEXT}
        return not (track.answered or untouched)

    def _is_behind(self, number: int) -> bool:
        """Return True if the worker has said nothing of a message that it accepted after others."""
        return self._tracks[number].stage is Stage.ACCEPTED and number != min(self._tracks)

    def _note(self, numbers: Collection[int], step: str, *names: str) -> None:
        for number in sorted(numbers):
            if number in self._tracks:
                self._tracks[number].note(step, *names)
