"""No interleaving of messages, workers and crashes gives a message two outcomes, or none.

A state machine plays one conversation: people write, a worker takes, begins, says and answers, and
at each step the worker or the gateway may die. Ledger and tracks are the real ones; the chat, the
worker and what a starting gateway does with each step are played. A reply counts as delivered from
the moment in which it is sent: what a crash between the note and the wire costs is not promised.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hermes_router.state import ledger as ledgers
from hermes_router.state.ledger import Entry, Identity, Ledger, Step
from hermes_router.turns.worker.answer_attempt import AnswerAttempt
from hermes_router.turns.worker.event_track import EventTrack, Outcome, TakenEvents

SOURCE = {"platform": "telegram", "chat_id": "1"}


def identity(number: int) -> Identity:
    return Identity(platform="telegram", chat_id="1", parts=((str(number), ""),))


@dataclass
class Worker:
    """What one worker has: events by number, and which of them runs; the others wait in it.

    ``asked`` is the number of the last event that the model was asked for, and ``unasked`` that of
    one that left the queue without that.
    """

    taken: TakenEvents = field(default_factory=TakenEvents)
    events: dict[int, int] = field(default_factory=dict)
    running: int | None = None
    asked: int = 0
    unasked: int | None = None

    def queued(self) -> list[int]:
        return [number for number in self.events if number != self.running]


class Conversation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.file = Path(self.folder.name) / "ledger.jsonl"
        self.compact, ledgers.COMPACT_BYTES = ledgers.COMPACT_BYTES, 2000
        self.ledger = Ledger(self.file)
        self.count = 0
        self.answered: list[int] = []
        self.told: list[int] = []
        self.begun: set[int] = set()
        self.entries: dict[int, Entry] = {}
        self.tracks: dict[int, EventTrack] = {}
        self.waiting: list[int] = []
        self.worker: Worker | None = None
        self.numbers = 0

    def teardown(self) -> None:
        """Let everything come to its end: then each message has its one outcome."""
        try:
            for _ in range(3 * self.count + 3):
                self.finish_one()
            assert sorted(self.answered + self.told) == list(range(1, self.count + 1))
            assert Ledger(self.file).open == []
        finally:
            ledgers.COMPACT_BYTES = self.compact
            self.loop.close()
            self.folder.cleanup()

    def finish_one(self) -> None:
        if self.worker is None and self.waiting:
            self.take()
        if self.worker is not None:
            if self.worker.running is None and self.worker.events:
                self.begin()
            if self.worker.running is not None:
                self.answer()
            elif not self.worker.events:
                self.idle()

    # -- people and the platform ---------------------------------------------------------------

    @rule()
    def write(self) -> None:
        self.count += 1
        self.arrive(self.count)

    @rule()
    def write_behind_a_turn(self) -> None:
        """Write until one message is begun, and another one waits in its worker."""
        self.write()
        self.write()
        while self.waiting:
            self.take()
        assert self.worker is not None
        if self.worker.running is None:
            self.begin()

    @precondition(lambda self: self.count)
    @rule()
    def deliver_again(self) -> None:
        self.arrive(self.count)

    def arrive(self, number: int) -> None:
        if self.ledger.known(identity(number)):
            return
        entry = self.ledger.accept(identity(number), profile="p", session="s", source=SOURCE)
        assert self.ledger.record(entry)
        self.entries[number] = entry
        self.wait(number)

    def wait(self, number: int) -> None:
        self.tracks[number] = EventTrack(self.entries[number])
        self.waiting.append(number)

    # -- the worker ----------------------------------------------------------------------------

    @precondition(lambda self: self.waiting)
    @rule()
    def take(self) -> None:
        self.worker = self.worker or Worker()
        self.numbers += 1
        message = self.waiting.pop(0)
        self.worker.events[self.numbers] = message
        self.run(lambda: self.taken().take(self.numbers, self.tracks[message]))

    @precondition(lambda self: self.worker and self.worker.events)
    @rule()
    def report(self) -> None:
        """Say which events wait: the worker does so before each call of the adapter."""
        assert self.worker is not None
        running, queued = self.worker.running, self.worker.queued()
        done = running or min(queued, default=self.numbers + 1)
        self.run(lambda: self.taken().progress(done=done, waiting=queued))

    @precondition(lambda self: self.worker and self.worker.running is None and self.worker.events)
    @rule()
    def begin(self) -> None:
        self.take_out_of_the_queue()
        self.ask_the_model()

    def take_out_of_the_queue(self) -> None:
        assert self.worker is not None
        self.worker.running = min(self.worker.events)
        self.report()

    def ask_the_model(self) -> None:
        assert self.worker is not None
        assert self.worker.running is not None
        self.begun.add(self.worker.events[self.worker.running])
        self.worker.asked, self.worker.unasked = self.worker.running, None
        self.run(lambda: self.taken().begun(self.numbers))

    @precondition(lambda self: self.worker and self.worker.running is not None)
    @rule()
    def say(self) -> None:
        assert self.worker is not None
        self.report()
        self.run(lambda: self.taken().said())

    @precondition(lambda self: self.worker and self.worker.running is not None)
    @rule(dies=st.sampled_from(["nobody", "worker", "gateway"]))
    def answer_fails(self, dies: str) -> None:
        self.send(success=False)
        self.die(dies)

    @precondition(lambda self: self.worker and self.worker.running is not None)
    @rule()
    def answer(self) -> None:
        self.answer_and_die_unnoticed()
        self.run(lambda: self.attempt.over(success=True))
        self.finish()

    @precondition(lambda self: self.worker and self.worker.running and self.worker.queued())
    @rule(dies=st.sampled_from(["nobody", "worker", "gateway"]), asks=st.booleans())
    def answer_while_the_next_one_begins(self, dies: str, *, asks: bool) -> None:
        """Hermes begins the next message before it knows that the answer has arrived."""
        assert self.worker is not None
        self.answer_and_die_unnoticed()
        del self.worker.events[self.last]
        self.take_out_of_the_queue()
        if asks:
            self.ask_the_model()
        else:
            self.worker.unasked = self.worker.running
        self.run(lambda: self.attempt.over(success=True))
        self.die(dies)

    @precondition(lambda self: self.worker and self.worker.running and self.worker.queued())
    @rule(dies=st.sampled_from(["worker", "gateway", "in order"]))
    def die_before_the_answer_though_the_next_one_left_the_queue(self, dies: str) -> None:
        """Hermes takes the next message out of its queue, and sends the end of the answer then."""
        assert self.worker is not None
        self.say()
        answered, taken, *waiting = sorted(self.worker.events)
        self.worker.running = taken
        self.run(lambda: self.taken().progress(done=answered, waiting=waiting))
        self.run(lambda: self.taken().said())
        self.die(dies)

    def die(self, who: str) -> None:
        if who == "worker":
            self.kill_worker()
        elif who == "gateway":
            self.kill_gateway()
        elif who == "in order":
            self.run(lambda: self.taken().cut_off())
            self.leave()
            self.kill_gateway()

    @precondition(lambda self: self.worker and self.worker.running is not None)
    @rule()
    def answer_and_gateway_dies(self) -> None:
        self.answer_and_die_unnoticed()
        self.kill_gateway()

    @precondition(lambda self: self.worker and self.worker.running is not None)
    @rule()
    def answer_and_worker_dies(self) -> None:
        self.answer_and_die_unnoticed()
        self.run(lambda: self.attempt.over(success=True))
        self.kill_worker()

    def send_the_answer(self) -> None:
        self.answer_and_die_unnoticed()
        self.run(lambda: self.attempt.over(success=True))

    def answer_and_die_unnoticed(self) -> None:
        assert self.worker is not None
        assert self.worker.running is not None
        self.report()
        self.last = self.worker.running
        self.ask()
        self.answered.append(self.worker.events[self.last])

    def send(self, *, success: bool) -> None:
        assert self.worker is not None
        self.report()
        self.ask()
        self.run(lambda: self.attempt.over(success=success))

    def ask(self) -> None:
        """Have the platform asked to send an answer to what the worker works on."""
        assert self.worker is not None
        assert self.worker.running is not None
        last = max(self.worker.running, self.worker.asked)
        self.attempt = AnswerAttempt(self.taken(), last, "name")
        self.run(self.attempt.asks)

    def finish(self) -> None:
        assert self.worker is not None
        assert self.worker.running is not None
        del self.worker.events[self.worker.running]
        self.worker.running = None
        self.report_all()
        self.see()

    def report_all(self) -> None:
        assert self.worker is not None
        queued = self.worker.queued()
        done = min(queued, default=self.numbers + 1)
        self.run(lambda: self.taken().progress(done=done, waiting=queued))

    @precondition(lambda self: self.worker and not self.worker.events)
    @rule()
    def idle(self) -> None:
        self.run(lambda: self.taken().all_done())
        self.worker = None
        self.see()

    # -- deaths --------------------------------------------------------------------------------

    @precondition(lambda self: self.worker)
    @rule()
    def kill_worker(self) -> None:
        assert self.worker is not None
        first = min(self.worker.events, default=None)
        if first is not None and first != self.worker.unasked:  # nobody knows whether it was begun
            self.begun.add(self.worker.events[first])
        self.run(lambda: self.taken().close())
        self.worker = None
        self.see()

    @rule()
    def kill_gateway(self) -> None:
        self.ledger = Ledger(self.file)
        self.worker, self.waiting, self.tracks = None, [], {}
        by_key = {identity(n).keys()[0]: n for n in range(1, self.count + 1)}
        self.entries = {by_key[entry.keys[0]]: entry for entry in self.ledger.open}
        for number, entry in self.entries.items():
            self.recover(number, entry)

    @rule(answers=st.booleans())
    def stop_gateway(self, *, answers: bool) -> None:
        """Stop it in order: what runs is interrupted, or answered meanwhile. What waits is left."""
        if self.worker is not None:
            if answers and self.worker.running is not None:
                self.send_the_answer()
            else:
                self.report()
            self.run(lambda: self.taken().cut_off())
        self.leave()
        self.kill_gateway()

    def leave(self) -> None:
        """Do what the message handler does when the gateway stops."""
        for number, track in self.tracks.items():
            if track.outcome not in {None, Outcome.CUT_OFF} and not track.untouched:
                self.entries[number].settle()

    def recover(self, number: int, entry: Entry) -> None:
        """Do what a starting gateway does: serve, go on, tell, or say nothing."""
        if entry.step in {Step.ACCEPTED, Step.CUT_OFF}:
            entry.resumed()
            self.wait(number)
        elif entry.step in {Step.ANSWERED, Step.TRYING}:
            entry.settle()
        else:
            self.told.append(number)
            entry.settle()

    # -- the gateway ---------------------------------------------------------------------------

    def see(self) -> None:
        """Do what the message handler does when a message has its outcome."""
        for number, track in sorted(self.tracks.items()):
            if track.outcome is None or number in self.waiting:
                continue
            if track.outcome is Outcome.AGAIN:
                track.begin()
                self.waiting.append(number)
                continue
            if track.outcome is Outcome.ENDED:
                self.told.append(number)
            del self.tracks[number]
            self.entries.pop(number).settle()
        self.waiting.sort()

    def taken(self) -> TakenEvents:
        assert self.worker is not None
        return self.worker.taken

    def run(self, step: Callable[[], object]) -> None:
        async def inside() -> None:
            step()
            await anyio.lowlevel.checkpoint()

        self.loop.run_until_complete(inside())

    @invariant()
    def no_message_has_two_outcomes(self) -> None:
        outcomes = self.answered + self.told
        assert len(outcomes) == len(set(outcomes)), outcomes

    @invariant()
    def what_is_open_is_somewhere(self) -> None:
        ended = {*self.answered, *self.told}
        held = set(self.worker.events.values()) if self.worker else set()
        assert set(range(1, self.count + 1)) == ended | held | set(self.waiting)

    @invariant()
    def only_what_was_begun_is_told_of(self) -> None:
        assert set(self.told) <= self.begun

    @invariant()
    def answers_come_in_order(self) -> None:
        assert self.answered == sorted(self.answered)


TestConversation = Conversation.TestCase
TestConversation.settings = settings(
    max_examples=80,
    stateful_step_count=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to make a failure smaller takes minutes
)
