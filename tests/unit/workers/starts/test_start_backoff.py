"""How long starts are refused of a profile whose workers never get ready."""

from __future__ import annotations

import pytest

from hermes_router.workers.starts.start_backoff import StartBackoff

HOME = frozenset({("config.yaml", 1, 1)})
CHANGED = frozenset({("config.yaml", 2, 1)})


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def backoff_of(clock: Clock, *, chance: float = 0.5, failures: int = 0) -> StartBackoff:
    made = StartBackoff(clock=clock, chance=lambda: chance)
    for _ in range(failures):
        made.failed("it ended", HOME)
    return made


def test_one_failure_refuses_nothing(clock: Clock) -> None:
    backoff = backoff_of(clock, failures=1)
    assert not backoff.doubtful
    assert backoff.wait(HOME) == 0


def test_each_failure_doubles_the_pause_up_to_a_minute(clock: Clock) -> None:
    backoff, pauses = backoff_of(clock, failures=1), []
    for _ in range(8):
        backoff.failed("it ended", HOME)
        pauses.append(backoff.wait(HOME))
        clock.now += pauses[-1]
        assert backoff.wait(HOME) == 0
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 1.6), (1.0, 2.4)])
def test_profiles_that_fail_together_are_not_tried_together(
    clock: Clock, chance: float, pause: float
) -> None:
    assert backoff_of(clock, chance=chance, failures=2).wait(HOME) == pytest.approx(pause)


def test_one_start_alone_is_tried_after_a_pause(clock: Clock) -> None:
    backoff = backoff_of(clock, failures=2)
    clock.now += 3
    assert backoff.wait(HOME) == 0
    assert backoff.wait(HOME) > 0


def test_a_change_and_a_worker_that_gets_ready_end_it_at_once(clock: Clock) -> None:
    backoff = backoff_of(clock, failures=4)
    assert backoff.wait(CHANGED) == 0
    backoff.failed("it ended", CHANGED)
    assert not backoff.doubtful
    backoff = backoff_of(clock, failures=4)
    backoff.succeeded()
    assert not backoff.doubtful
