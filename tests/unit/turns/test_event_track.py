"""How far each message is that one worker accepted, in the ledger and at the worker's end."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_router.state.ledger import Entry, Identity, Ledger, Step
from hermes_router.turns.worker.event_track import EventTrack, TakenEvents


@pytest.fixture
def taken() -> TakenEvents:
    return TakenEvents()


@pytest.fixture
def entries(tmp_path: Path, taken: TakenEvents) -> list[Entry]:
    """Three messages, which the worker has accepted as numbers 1 to 3."""
    made = three(tmp_path)
    for number, entry in enumerate(made, start=1):
        taken.take(number, EventTrack(entry))
    return made


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
        assert entry.step is Step.ACCEPTED
        taken.begun(number)
        assert entry.step is Step.BEGUN


def test_a_command_beside_a_turn_is_begun_when_it_waits_no_longer(
    taken: TakenEvents, entries: list[Entry]
) -> None:
    taken.progress(done=1, waiting=[3])
    assert steps(entries) == [Step.ACCEPTED, Step.BEGUN, Step.ACCEPTED]
