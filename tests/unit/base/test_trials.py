"""What a trial of the machine found is remembered as long as it can be relied on."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from hermes_router.base.trials import Trial


@dataclass
class Machine:
    """A machine on which the first ``failures`` trials of each thing fail."""

    failures: int
    now: float = 0.0
    tried: list[str] = field(default_factory=list)

    def attempt(self, what: str) -> str | None:
        self.tried.append(what)
        return "no process" if self.tried.count(what) <= self.failures else None

    def trial(self) -> Trial[[str]]:
        return Trial(self.attempt, seconds=30.0, clock=lambda: self.now)


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_success_is_kept_for_good_and_a_failure_for_a_while(failures: int) -> None:
    machine = Machine(failures)
    trial = machine.trial()
    for number in range(failures):
        assert trial("a") == trial("a") == "no process"
        assert len(machine.tried) == number + 1
        machine.now += 30
    for _hour in range(2):
        assert trial("a") is None
        machine.now += 3600
    assert len(machine.tried) == failures + 1


def test_each_thing_is_tried_for_itself_and_anew_when_it_is_forgotten() -> None:
    machine = Machine(0)
    trial = machine.trial()
    assert trial("a") is trial("b") is trial("a") is None
    assert machine.tried == ["a", "b"]
    trial.forget()
    assert trial("a") is None
    assert machine.tried == ["a", "b", "a"]
