"""Which of a session's events an answer is for, and when the gateway notes that one begins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from hermes_router.protocol import messages as msg
from hermes_router.turns.worker.event_track import EventTrack, Outcome, TakenEvents
from hermes_router_worker.process.connection import CallFailed
from hermes_router_worker.session.progress import Progress

END = {"metadata": {"notify": True}}


class Link:
    """A pipe whose gateway notes everything, until it has ended."""

    def __init__(self) -> None:
        self.sent: list[msg.Message] = []
        self.ended = False

    async def send(self, message: msg.Message) -> None:
        self.sent.append(message)

    async def ask(self, message: Any) -> None:
        if self.ended:
            raise CallFailed("the gateway has ended", refused=False)
        self.sent.append(message(len(self.sent)))

    def requests(self) -> int:
        return sum(isinstance(message, msg.ModelRequest) for message in self.sent)


def event(number: int, *, command: bool = False) -> Any:
    return SimpleNamespace(message_id=str(number), internal=False, is_command=lambda: command)


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def adapter() -> Any:
    runner = SimpleNamespace(_queued_events={})
    return SimpleNamespace(_active_sessions={"key": 1}, _pending_messages={}, gateway_runner=runner)


@pytest.fixture
def progress(link: Link, adapter: Any) -> Progress:
    made = Progress(cast("Any", link))
    made.attach(adapter)
    return made


def hand_over(progress: Progress, number: int, adapter: Any = None) -> Any:
    """Have Hermes handle an event; with ``adapter``, it keeps the event waiting there."""
    handed = event(number)
    progress.take(handed, number)
    if adapter is not None:
        adapter._pending_messages["key"] = handed
    progress.handed_over(number, command=False)
    return handed


async def test_an_answer_is_not_for_an_event_that_hermes_only_took_out_of_its_queue(
    progress: Progress, adapter: Any
) -> None:
    with progress.processing(hand_over(progress, 1)):
        await progress.note_begun()
        hand_over(progress, 2, adapter)
        await progress.tell()
        adapter._pending_messages.clear()
        assert progress.answered_by("send", END) == 1
        await progress.note_begun()
        assert progress.answered_by("send", END) == 2


async def test_an_answer_is_for_an_event_that_joined_its_turn(
    progress: Progress,
) -> None:
    with progress.processing(hand_over(progress, 1)):
        await progress.note_begun()
        hand_over(progress, 2)
        await progress.note_begun()
        assert progress.answered_by("send", END) == 2


async def test_an_answer_without_a_model_is_for_what_was_joined_and_not_for_what_waits(
    progress: Progress, adapter: Any
) -> None:
    first = hand_over(progress, 1)
    hand_over(progress, 2)  # joined to the first one, in a burst
    hand_over(progress, 3, adapter)
    with progress.processing(first):
        assert progress.answered_by("send", END) == 2


async def test_an_answer_without_a_model_is_for_its_own_event(progress: Progress) -> None:
    with progress.processing(hand_over(progress, 1)):
        assert progress.answered_by("send", {}) == 0
        assert progress.answered_by("send", END) == 1


async def test_the_gateway_notes_each_events_first_model_request(
    progress: Progress, link: Link
) -> None:
    with progress.processing(hand_over(progress, 1)):
        for _request in range(3):
            await progress.note_begun()
        assert link.requests() == 1
        hand_over(progress, 2)
        await progress.note_begun()
        assert link.requests() == 2


async def test_no_model_is_asked_when_the_gateway_has_ended(progress: Progress, link: Link) -> None:
    link.ended = True
    with progress.processing(hand_over(progress, 1)), pytest.raises(CallFailed):
        await progress.note_begun()


async def test_a_message_on_its_way_to_hermes_waits_for_the_one_before_it(
    progress: Progress, link: Link, adapter: Any
) -> None:
    with progress.processing(hand_over(progress, 1)):
        await progress.note_begun()
        coming = event(3)
        progress.take(event(2), 2)
        progress.take(coming, 3)
        progress.handed_over(2, command=False)  # a part of the answer to the first one
        progress.begin(coming)
        await progress.tell()
        assert link.sent[-1] == msg.Progress(done=1, waiting=[3])
        adapter._pending_messages["key"] = coming
        progress.handed_over(3, command=False)
        await progress.tell()
        assert link.sent[-1] == msg.Progress(done=1, waiting=[3])


async def test_a_command_waits_until_hermes_gets_it(progress: Progress, link: Link) -> None:
    with progress.processing(hand_over(progress, 1)):
        command = event(2, command=True)
        progress.take(command, 2)
        await progress.tell()
        assert link.sent[-1] == msg.Progress(done=1, waiting=[2])
        progress.begin(command)
        await progress.tell()
        assert link.sent[-1] == msg.Progress(done=1)


async def test_a_message_that_a_command_overtakes_is_not_answered_with_it(
    progress: Progress, link: Link
) -> None:
    gateway, first, second = TakenEvents(), EventTrack(), EventTrack()
    for number, track in enumerate((first, second), 1):
        gateway.take(number, track)
    progress.take(event(1), 1)  # it waits for the session's agent, which is being built
    command = event(2, command=True)
    progress.take(command, 2)
    progress.begin(command)
    progress.handed_over(2, command=True)
    with progress.processing(command):
        await progress.tell()
        told = cast("msg.Progress", link.sent[-1])
        gateway.progress(done=told.done, waiting=told.waiting)
        answered = gateway.worked_on(progress.answered_by("send", END))
    assert answered == {2}
    gateway.tried(answered, success=True)
    gateway.close()  # the worker dies
    assert (first.outcome, second.outcome) == (Outcome.AGAIN, Outcome.ANSWERED)


async def test_a_message_behind_none_does_not_wait(progress: Progress, link: Link) -> None:
    progress.take(event(1), 1)
    await progress.tell()
    assert link.sent[-1] == msg.Progress(done=1)


async def test_what_waits_at_the_end_of_a_worker_is_reported_and_not_begun_any_more(
    progress: Progress, link: Link, adapter: Any
) -> None:
    held: list[Any] = []

    def hold() -> None:
        held.append(adapter._pending_messages.pop("key"))

    with progress.processing(hand_over(progress, 1)):
        await progress.note_begun()
        queued = hand_over(progress, 2, adapter)
        await progress.tell_last(hold)
        assert held == [queued]
        assert link.sent[-1] == msg.Progress(done=1, waiting=[2])
        await progress.note_begun()  # the turn that is interrupted may ask once more
    with progress.processing(queued), pytest.raises(LookupError):  # Hermes had it already
        await progress.note_begun()
    await progress.tell()
    assert link.sent[-1] == msg.Progress(done=1, waiting=[2])
    assert link.requests() == 1


async def test_what_hermes_has_not_got_at_the_end_of_a_worker_waits(
    progress: Progress, link: Link
) -> None:
    progress.take(event(1), 1)
    await progress.tell_last(list)
    assert link.sent[-1] == msg.Progress(done=1, waiting=[1])


async def test_what_waited_and_is_handed_to_hermes_once_more_is_not_done(
    progress: Progress, link: Link, adapter: Any
) -> None:
    with progress.processing(hand_over(progress, 1)):
        queued = hand_over(progress, 2, adapter)
    del adapter._pending_messages["key"], adapter._active_sessions["key"]
    assert progress.take_again(queued) == 2
    assert progress.take_again(event(7)) is None
    await progress.tell()
    assert link.sent[-1] == msg.Progress(done=2)
    progress.handed_over(2, command=False)
    with progress.processing(queued):
        await progress.tell()
        assert link.sent[-1] == msg.Progress(done=2)
    await progress.tell()
    assert link.sent[-1] == msg.Progress(done=3)


async def test_what_hermes_failed_to_take_waits_until_the_gateway_has_it_served(
    progress: Progress, link: Link, adapter: Any
) -> None:
    with progress.processing(hand_over(progress, 1)):
        await progress.note_begun()
        progress.take(event(2), 2)
        progress.not_taken(2)
        hand_over(progress, 3)  # a part of the answer to the first one
        await progress.note_begun()
    assert msg.ModelRequest(id=len(link.sent) - 1, upto=3) in link.sent
    del adapter._active_sessions["key"]
    await progress.tell()
    assert link.sent[-1] == msg.Progress(done=4, waiting=[2])
    progress.gave_back()
    await progress.tell()
    assert link.sent[-1] == msg.Progress(done=4)


async def test_what_hermes_has_although_it_failed_does_not_wait_for_another_worker(
    progress: Progress, link: Link, adapter: Any
) -> None:
    taken = event(1)
    progress.take(taken, 1)
    with progress.processing(taken):
        progress.not_taken(1)
        await progress.tell()
        assert link.sent[-1] == msg.Progress(done=1)
    del adapter._active_sessions["key"]
    await progress.tell()
    assert link.sent[-1] == msg.Progress(done=2)


async def test_what_an_earlier_worker_left_is_no_event_of_the_gateway(
    link: Link, adapter: Any
) -> None:
    left, own = event(7), SimpleNamespace(message_id=None, internal=True, text="a report")
    adapter.gateway_runner._queued_events["key"] = [left, own]
    progress = Progress(cast("Any", link))
    progress.attach(adapter)
    with progress.processing(hand_over(progress, 1)):
        await progress.note_begun()
    assert not progress.knows(left)
    assert not progress.knows(own)
    assert link.sent[-1] == msg.ModelRequest(id=len(link.sent) - 1, upto=1)


async def test_what_hermes_has_wait_itself_is_no_part_of_a_message_that_comes_later(
    progress: Progress, link: Link, adapter: Any
) -> None:
    step = SimpleNamespace(message_id=None, internal=False, text="the next step of a goal")
    made = SimpleNamespace(message_id=None, internal=False, text="what a command has wait")
    with progress.processing(hand_over(progress, 1)):
        adapter._pending_messages["key"] = step
        command = event(2, command=True)
        progress.take(command, 2)
        progress.begin(command)
        adapter.gateway_runner._queued_events["key"] = [made]
        progress.handed_over(2, command=True)
        assert not progress.knows(step)
        assert progress.knows(made)
        del adapter.gateway_runner._queued_events["key"]
        await progress.tell()
        assert link.sent[-1] == msg.Progress(done=1)


def test_the_gateway_knows_a_turn_that_it_has_continued(progress: Progress) -> None:
    continued = SimpleNamespace(message_id=None, internal=True, text="")
    progress.take(continued, 1)
    assert progress.knows(continued)


def test_the_gateway_knows_an_event_that_it_gave(progress: Progress) -> None:
    hand_over(progress, 1)
    assert progress.knows(event(1))
    assert not progress.knows(event(2))
    assert not progress.knows(SimpleNamespace(message_id=None))
