"""How far is a message in the ledger while the platform takes its answer, or refuses it?"""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_router.relay import attempts
from hermes_router.state.ledger import Entry, Identity, Ledger, Step
from hermes_router.turns.worker.answer_attempt import AnswerAttempt
from hermes_router.turns.worker.event_track import EventTrack, Outcome, TakenEvents


@pytest.fixture
def accepted(tmp_path: Path) -> Entry:
    identity = Identity(platform="telegram", chat_id="1", parts=(("1", ""),))
    ledger = Ledger(tmp_path / "ledger.jsonl")
    return ledger.accept(identity, profile="career", session="key", source={"chat_id": "1"})


@pytest.fixture
def entry(accepted: Entry) -> Entry:
    accepted.begun()
    return accepted


def step(entry: Entry) -> Step:
    return entry.step


@pytest.fixture
async def answer(entry: Entry) -> AnswerAttempt:
    taken = TakenEvents()
    taken.take(1, EventTrack(entry))
    return AnswerAttempt(taken, 1, "its text")


async def test_an_answer_is_tried_from_when_the_platform_is_asked(
    answer: AnswerAttempt, entry: Entry
) -> None:
    assert step(entry) is Step.BEGUN
    with attempts.followed_by(answer):
        attempts.asks()
    assert (step(entry), entry.names) == (Step.TRYING, ["its text"])
    answer.over(success=True)
    assert step(entry) is Step.ANSWERED


async def test_a_refused_answer_is_not_tried_until_the_platform_is_asked_again(
    answer: AnswerAttempt, entry: Entry
) -> None:
    answer.asks()
    answer.refused()
    assert step(entry) is Step.BEGUN
    answer.asks()
    assert step(entry) is Step.TRYING
    answer.over(success=False)
    assert step(entry) is Step.BEGUN


async def test_what_comes_after_the_answer_changes_nothing(
    answer: AnswerAttempt, entry: Entry
) -> None:
    answer.asks()
    answer.over(success=True)
    answer.refused()
    answer.asks()
    assert step(entry) is Step.ANSWERED


async def test_an_answer_that_has_arrived_stays_answered_though_it_is_sent_again(
    entry: Entry,
) -> None:
    """Hermes sends the end of a stream twice, and Telegram refuses an edit that changes nothing."""
    taken = TakenEvents()
    taken.take(1, EventTrack(entry))
    arrives = AnswerAttempt(taken, 1, "its text")
    arrives.asks()
    arrives.over(success=True)
    for text, tried, refused in (
        ("its text", Step.ANSWERED, Step.ANSWERED),
        ("its rest", Step.TRYING, Step.BEGUN),
    ):
        again = AnswerAttempt(taken, 1, text)
        again.asks()
        assert step(entry) is tried
        again.refused()
        assert step(entry) is refused


@pytest.mark.parametrize(("asked", "outcome"), [(True, Outcome.ENDED), (False, Outcome.AGAIN)])
async def test_a_message_that_is_taken_while_an_answer_is_sent_is_not_answered_by_it(
    entry: Entry, asked: bool, outcome: Outcome
) -> None:
    """Hermes takes it out of its queue then; without a model request, it is served again."""
    taken, first, second = TakenEvents(), EventTrack(entry), EventTrack()
    taken.take(1, first)
    taken.take(2, second)
    taken.progress(done=1, waiting=[2])
    answer = AnswerAttempt(taken, 2, "its text")
    answer.asks()
    taken.progress(done=1, waiting=[])
    if asked:
        taken.begun(2)
    answer.over(success=True)
    taken.close()
    assert (first.outcome, second.outcome) == (Outcome.ANSWERED, outcome)


@pytest.mark.parametrize(("upto", "outcome"), [(2, Outcome.ENDED), (1, Outcome.AGAIN)])
def test_a_message_is_served_again_unless_the_model_was_asked_for_it(
    upto: int, outcome: Outcome
) -> None:
    taken, first, second = TakenEvents(), EventTrack(), EventTrack()
    taken.take(1, first)
    taken.progress(done=1, waiting=[])
    taken.take(2, second)
    taken.begun(upto)
    taken.close()
    assert (first.outcome, second.outcome) == (Outcome.ENDED, outcome)


@pytest.mark.parametrize("stopped", [False, True], ids=["worker dies", "orderly stop"])
def test_a_message_that_left_the_queue_is_served_again_though_the_one_before_it_is_lost(
    accepted: Entry, stopped: bool
) -> None:
    """What people read meanwhile belongs to the answer before it."""
    taken, first, second = TakenEvents(), EventTrack(), EventTrack(accepted)
    taken.take(1, first)
    taken.begun(1)
    taken.take(2, second)
    taken.progress(done=1, waiting=[2])
    taken.progress(done=1, waiting=[])
    taken.said()
    if stopped:
        taken.cut_off()
    else:
        taken.close()
    lost = Outcome.CUT_OFF if stopped else Outcome.ENDED
    assert (first.outcome, second.outcome, second.untouched) == (lost, Outcome.AGAIN, True)


@pytest.mark.parametrize("interrupted", [False, True])
async def test_what_a_stop_makes_of_a_stream_is_no_answer_if_the_run_was_interrupted(
    accepted: Entry, *, interrupted: bool
) -> None:
    taken, track = TakenEvents(), EventTrack(accepted)
    taken.take(1, track)
    taken.begun(1)
    attempt = AnswerAttempt(taken, 1, "its text")
    attempt.asks()
    attempt.over(success=True)
    taken.cut_off(interrupted=interrupted)
    assert track.outcome is (Outcome.CUT_OFF if interrupted else Outcome.ANSWERED)
    assert accepted.step is (Step.CUT_OFF if interrupted else Step.ANSWERED)


async def test_an_answer_without_a_model_request_answers_its_message() -> None:
    taken, first, second = TakenEvents(), EventTrack(), EventTrack()
    taken.take(1, first)
    taken.begun(1)
    AnswerAttempt(taken, 1, "its text").over(success=True)
    taken.take(2, second)
    taken.progress(done=1, waiting=[2])
    taken.progress(done=2, waiting=[])
    AnswerAttempt(taken, 2, "the next text").over(success=True)
    taken.close()
    assert (first.outcome, second.outcome) == (Outcome.ANSWERED, Outcome.ANSWERED)


async def test_the_answer_to_a_later_message_does_not_touch_the_step_of_an_answered_one(
    entry: Entry,
) -> None:
    taken = TakenEvents()
    taken.take(1, EventTrack(entry))
    AnswerAttempt(taken, 1, "its text").over(success=True)
    taken.take(2, EventTrack())
    later = AnswerAttempt(taken, 2, "the next text")
    later.asks()
    assert step(entry) is Step.ANSWERED
    later.over(success=False)
    assert step(entry) is Step.ANSWERED


def test_what_is_sent_outside_of_an_answer_is_not_followed() -> None:
    attempts.asks()
    attempts.refused()
