"""What becomes of the messages that one worker took: answered, untouched, or ended with it.

A worker works on the messages of its session in the order of their numbers. It says before which
number all are done, and which still wait in it. Each change is noted in the ledger of messages, if
the message has an entry there.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Collection

import anyio

from hermes_router.state.ledger import Entry, Step

#: Seconds after which a reply that is being sent may not arrive any more.
_STALLED_SECONDS = 5.0


class Outcome(enum.Enum):
    """What became of a message that was offered to a worker."""

    ANSWERED = enum.auto()
    AGAIN = enum.auto()  # the worker ended before it began with it: the next worker is to serve it
    ENDED = enum.auto()  # it ended with the worker, and people have been told what there is to say
    CUT_OFF = enum.auto()  # the gateway's stop ended it: the next gateway goes on with it, or tells
    CLOSED = enum.auto()  # no worker takes it any more: the gateway stops


class EventTrack:
    """Follows one message; ``settled`` is set when its ``outcome`` is known."""

    def __init__(self, entry: Entry | None = None) -> None:
        self.entry = entry
        #: Whether people were told that no worker gets it, or it needs none.
        self.told = False
        self.begin()

    def begin(self) -> None:
        """Follow the message from the start: no worker has it."""
        self.outcome: Outcome | None = None
        self.settled = anyio.Event()
        self.waiting = self.answered = self.reported = False

    def finish(self, outcome: Outcome) -> None:
        """Note the outcome; the first one counts."""
        if self.outcome is None:
            self.outcome = outcome
            self.settled.set()

    @property
    def untouched(self) -> bool:
        """Say whether nothing was done for the message, and nobody was told anything of it."""
        began = self.entry is None or self.entry.step is not Step.ACCEPTED
        done = self.told or self.outcome in {Outcome.ANSWERED, Outcome.ENDED}
        return not (began or done)

    def note(self, step: str, *names: str) -> None:
        """Note a step in the ledger."""
        if self.entry is not None:
            getattr(self.entry, step)(*names)


class TakenEvents:
    """The messages that one worker has taken and that have no outcome yet, by number."""

    def __init__(self) -> None:
        self.count = self._first = 0
        self._tracks: dict[int, EventTrack] = {}

    @property
    def served(self) -> bool:
        """Say whether the worker took messages, and none of them would end unanswered with it."""
        return self.count > 0 and not any(self._lost(n) for n in self._tracks)

    def take(self, number: int, track: EventTrack) -> None:
        """Note that the worker has taken a message."""
        self.count += 1
        self._first = self._first or number
        self._tracks[number] = track

    def progress(self, *, done: int, waiting: Collection[int]) -> None:
        """Note where the worker stands: all before ``done`` are done, those in ``waiting`` wait."""
        for number, track in list(self._tracks.items()):
            track.reported = True
            waits = number in waiting
            if not waits and number != self._first:
                track.note("begun")  # only of the first one does the worker say when it asks
            track.waiting = waits
            if number < done and not track.waiting:
                self._tracks.pop(number).finish(Outcome.ANSWERED)

    def all_done(self) -> None:
        """Note that the worker is idle: each message that it took has its answer."""
        while self._tracks:
            self._tracks.popitem()[1].finish(Outcome.ANSWERED)

    def cut_off(self) -> None:
        """Note that the gateway's stop interrupted what the worker was at.

        What nobody had begun is served again. What waits in the worker is kept by its session.
        """
        for number, track in self._tracks.items():
            if self._lost(number):
                track.note("cut_off")
                track.finish(Outcome.AGAIN if track.untouched else Outcome.CUT_OFF)
        self.all_done()

    def begun(self) -> None:
        """Note that the worker does what may not be done twice."""
        self._note("begun")

    def said(self) -> None:
        """Note that the worker has said something in the conversation."""
        self._note("said")

    def trying(self, last: int, name: str) -> asyncio.TimerHandle:
        """Note that the end of an answer is sent from now on; cancel what this returns after it.

        It answers the event ``last``, and those before it that are worked on.
        """
        self._note("trying", name, upto=last)
        loop = asyncio.get_running_loop()
        return loop.call_later(_STALLED_SECONDS, self._stalled, last)

    def _stalled(self, last: int) -> None:
        self._note("stalled", upto=last)

    def tried(self, last: int, *, success: bool) -> None:
        """Note what came of sending the end of an answer."""
        self._note("answered" if success else "failed", upto=last)
        for track in self._current(last):
            track.answered = track.answered or success

    def close(self, *, stopped: bool = False) -> None:
        """Settle what the worker had taken: it is gone.

        ``stopped``: the gateway's stop ended it, so that nobody was told.
        """
        ended = Outcome.CUT_OFF if stopped else Outcome.ENDED
        lost = {number: self._lost(number) for number in self._tracks}
        for number, track in self._tracks.items():
            if track.answered:
                track.finish(Outcome.ANSWERED)
            else:
                track.finish(ended if lost[number] else Outcome.AGAIN)
        self._tracks.clear()

    def _lost(self, number: int) -> bool:
        """Say whether a message ends unanswered with the worker.

        One that was taken behind another, of which the worker said nothing any more, only waited.
        """
        track = self._tracks[number]
        behind = not track.reported and number != min(self._tracks)
        return not (track.answered or track.waiting or behind)

    def _current(self, last: int | None = None) -> list[EventTrack]:
        """Return what the worker works on, as far as the event ``last``."""
        upto = self._tracks.items()
        return [t for n, t in upto if not t.waiting and (last is None or n <= last)]

    def _note(self, step: str, *names: str, upto: int | None = None) -> None:
        for track in self._current(upto):
            track.note(step, *names)
