"""The report of each answer of one worker."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.turns.story import Story, TurnReport
from tests.kit.workers.made_up import Scene


@pytest.fixture
def told() -> list[TurnReport]:
    return []


@pytest.fixture
def story(tmp_path: Path, told: list[TurnReport]) -> Story:
    story = Story(
        "t",
        Scene(Profile("career", tmp_path)),
        received=time.monotonic() - 60,
        note=lambda report, _place: told.append(report),
    )
    story.start = "cold"
    return story


def answer(story: Story, of_turn: dict[str, float]) -> None:
    story.accepted()
    story.reached("model_request")
    story.reached("reply")
    story.replied(of_turn)


def test_the_first_answer_has_the_phases_of_the_turn(story: Story, told: list[TurnReport]) -> None:
    answer(story, {"queue": 0.1, "ready": 2.0, "reply": 60.0})
    [first] = told
    assert (first.number, first.start) == (1, "cold")
    assert first.phases == {"queue": 0.1, "ready": 2.0, "reply": 60.0}


def test_a_later_answer_of_the_same_worker_has_phases_of_its_own(
    story: Story, told: list[TurnReport]
) -> None:
    of_turn = {"queue": 0.1, "ready": 2.0, "reply": 60.0}
    answer(story, of_turn)
    answer(story, of_turn)
    first, second = told
    assert (second.number, second.start) == (2, "resident")
    assert set(second.phases) == {"model_request", "reply"}
    assert max(second.phases.values()) < 10
    assert second.seconds is not None
    assert second.seconds < 10
    assert first.seconds is not None
    assert first.seconds >= 60
    story.ended(None, "status 0", {**of_turn, "gone": 80.0})
    assert told[-1].phases == second.phases


def test_status_shows_how_far_the_current_answer_is(story: Story) -> None:
    of_turn = {"queue": 0.1, "reply": 60.0}
    answer(story, of_turn)
    assert story.phases(of_turn) == of_turn
    story.accepted()
    assert not story.phases(of_turn)
    story.reached("model_request")
    assert set(story.phases(of_turn)) == {"model_request"}
    assert story.seconds < 10


def test_hermes_may_fail_after_a_run_that_has_answered(
    story: Story, told: list[TurnReport]
) -> None:
    story.accepted()
    story.ran(
        msg.RunResult(outcome="answered", model="m", provider="p", calls=2, session="s", cost=0.5)
    )
    story.ran(msg.RunResult(outcome="hermes_failed", error="it broke"))
    story.replied({})
    [report] = told
    assert report.failed
    assert (report.outcome, report.error) == ("hermes_failed", "it broke")
    assert (report.model, report.provider, report.hermes_session) == ("m", "p", "s")
    assert (report.calls, report.cost) == (2, 0.5)
