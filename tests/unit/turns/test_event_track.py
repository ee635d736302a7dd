"""How far each message is that one worker accepted, in the ledger and at the worker's end."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_router.state.ledger import Entry, Identity, Ledger, Step
from hermes_router.turns.worker.event_track import EventTrack, Outcome, TakenEvents


@pytest.fixture
def taken() -> TakenEvents:
    return TakenEvents()


@pytest.fixture
def tracks(tmp_path: Path, taken: TakenEvents) -> list[EventTrack]:
    """Three messages, which the worker has accepted as numbers 1 to 3."""
    made = [EventTrack(entry) for entry in three(tmp_path)]
    for number, track in enumerate(made, start=1):
        taken.take(number, track)
    return made


@pytest.fixture
def entries(tracks: list[EventTrack]) -> list[Entry]:
    return [track.entry for track in tracks if track.entry is not None]


def three(folder: Path) -> list[Entry]:
    """Return three messages of one conversation, in a ledger of their own."""
    ledger = Ledger(folder / "ledger.jsonl")
    named = (Identity(platform="telegram", chat_id="1", parts=((n, ""),)) for n in "123")
    return [ledger.accept(one, profile="career", session="key", source={}) for one in named]


def steps(entries: list[Entry]) -> list[Step]:
    return [entry.step for entry in entries]


def test_a_message_is_begun_when_the_model_is_asked_for_it(
    taken: TakenEvents, entries: list[Entry]
) -> None:
    taken.progress(done=1, waiting=[2, 3])
    assert steps(entries) == [Step.ACCEPTED] * 3
    taken.begun(3)
    assert steps(entries) == [Step.BEGUN, Step.ACCEPTED, Step.ACCEPTED]


def test_so_is_one_that_a_worker_gets_when_it_has_answered_the_one_before(
    tmp_path: Path, taken: TakenEvents
) -> None:
    for number, entry in enumerate(three(tmp_path), start=1):
        taken.take(number, EventTrack(entry))
        taken.progress(done=number, waiting=[])
        assert steps([entry]) == [Step.ACCEPTED]
        taken.begun(number)
        assert steps([entry]) == [Step.BEGUN]


def test_a_command_beside_a_turn_is_begun_when_it_waits_no_longer(
    taken: TakenEvents, entries: list[Entry]
) -> None:
    taken.progress(done=1, waiting=[3])
    assert steps(entries) == [Step.ACCEPTED, Step.BEGUN, Step.ACCEPTED]


@pytest.mark.parametrize("answered", [True, False])
async def test_what_waits_in_a_worker_that_a_stop_interrupts_is_left_to_the_next_gateway(
    taken: TakenEvents, tracks: list[EventTrack], *, answered: bool
) -> None:
    taken.progress(done=1, waiting=[2, 3])
    taken.begun(1)
    if answered:  # while the worker was being interrupted
        taken.tried(taken.worked_on(1), success=True)
    taken.cut_off()
    first = Outcome.ANSWERED if answered else Outcome.CUT_OFF
    assert [track.outcome for track in tracks] == [first, Outcome.AGAIN, Outcome.AGAIN]
    assert [track.untouched for track in tracks] == [False, True, True]


def test_so_is_what_the_worker_has_accepted_since_its_last_report(
    taken: TakenEvents, tracks: list[EventTrack]
) -> None:
    taken.begun(1)
    taken.cut_off()
    assert [track.outcome for track in tracks[1:]] == [Outcome.AGAIN, Outcome.AGAIN]


@pytest.mark.parametrize("killed", [True, False])
def test_what_was_resumed_and_waits_when_a_stop_comes_is_told_of_after_the_next_start(
    taken: TakenEvents, tracks: list[EventTrack], entries: list[Entry], *, killed: bool
) -> None:
    entries[1].begun()
    entries[1].cut_off()
    entries[1].resumed()
    taken.progress(done=1, waiting=[2, 3])
    if killed:  # the worker did not end in time
        taken.close(stopped=True)
    else:
        taken.cut_off()
    assert tracks[2].outcome is Outcome.AGAIN
    assert (tracks[1].outcome, entries[1].step) == (Outcome.CUT_OFF, Step.RESUMED)


def test_what_waits_in_a_worker_that_is_done_is_served_again(
    taken: TakenEvents, tracks: list[EventTrack]
) -> None:
    taken.progress(done=3, waiting=[2])
    taken.all_done()
    outcomes = [track.outcome for track in tracks]
    assert outcomes == [Outcome.ANSWERED, Outcome.AGAIN, Outcome.ANSWERED]


@pytest.mark.parametrize("stops", [True, False])
def test_what_was_answered_is_not_served_again_because_hermes_has_more_to_do_for_it(
    taken: TakenEvents, tracks: list[EventTrack], *, stops: bool
) -> None:
    taken.tried([2], success=True)  # for example a command that queues a turn
    taken.progress(done=1, waiting=[2])
    if stops:
        taken.cut_off()
    else:
        taken.all_done()
    assert tracks[1].outcome is Outcome.ANSWERED
