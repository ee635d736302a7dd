"""Running figures in rounds: both sides' gateways stand beside each other and take turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from hermes_router.workers.worker_log import read_turns
from tests.tools.bench import sides
from tests.tools.bench.figures import Figure
from tests.tools.bench.figures.figure import Samples
from tests.tools.bench.stage import Stage

SIDES = (sides.A, sides.B)

_START_SECONDS, _PROFILE_SECONDS = 12.0, 0.5
"""Roughly, for both gateways of a setup: to start and to get quiet, and more for each profile."""


@dataclass(slots=True)
class Measured:
    """What was measured of one figure: by side, the samples of each round."""

    figure: Figure
    rounds: dict[str, list[Samples]] = field(default_factory=lambda: {side: [] for side in SIDES})

    def series(self, side: str, name: str) -> list[list[float]]:
        """Return a series of a side, round by round."""
        return [samples.get(name, []) for samples in self.rounds[side]]


@dataclass(slots=True)
class Results:
    """Everything that was measured. Phases are those of warm turns, from the worker log.

    ``failed`` says of each setup that was left early why; the other setups are complete.
    """

    figures: list[Measured]
    phases: list[dict[str, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: how often gateways are started, and how many rounds each start has."""

    starts: int
    rounds: int
    turns: int
    """In each round."""


def expected(figures: Sequence[Figure], plan: Plan) -> float:
    """Return roughly how many seconds the plan takes on a quiet machine with two cores."""
    setups = {figure.setup.name: figure for figure in figures}
    starting = sum(
        (_START_SECONDS + figure.setup.profiles * _PROFILE_SECONDS) * _starts(figure, plan)
        for figure in setups.values()
    )
    measuring = sum(
        (figure.seconds + figure.turn_seconds * plan.turns)
        * len(SIDES)
        * (1 if figure.once else plan.rounds)
        * _starts(figure, plan)
        for figure in figures
    )
    return starting + measuring


def _starts(figure: Figure, plan: Plan) -> int:
    return 1 if figure.first_start_only else plan.starts


def run(figures: Sequence[Figure], plan: Plan, progress: Callable[[str], None]) -> Results:
    """Measure the figures; a setup in which a turn is not answered is left for the next one."""
    results = Results([Measured(figure) for figure in figures])
    by_setup: defaultdict[str, list[Measured]] = defaultdict(list)
    for measured in results.figures:
        by_setup[measured.figure.setup.name].append(measured)
    for start in range(plan.starts):
        for group in by_setup.values():
            if start == 0 or not all(measured.figure.first_start_only for measured in group):
                try:
                    _with_gateways(group, start, plan, results, progress)
                except TimeoutError as error:
                    results.failed.append(f"{group[0].figure.setup.name}: {error}")
    return results


def _with_gateways(
    group: Sequence[Measured],
    start: int,
    plan: Plan,
    results: Results,
    progress: Callable[[str], None],
) -> None:
    """Start both sides and measure a setup's figures in alternating rounds."""
    setup = group[0].figure.setup
    with ExitStack() as stack:
        progress(f"start {start + 1} of {plan.starts}: {setup.name}")
        stages = {side: stack.enter_context(Stage(side, setup)) for side in SIDES}
        for number in range(plan.rounds):
            order = SIDES if (start + number) % 2 == 0 else SIDES[::-1]
            for measured in group:
                if number and measured.figure.once:
                    continue
                progress(f"  round {number + 1} of {plan.rounds}: {measured.figure.title}")
                for side in order:
                    samples = measured.figure.measure(stages[side], plan.turns)
                    measured.rounds[side].append(samples)
        if setup is sides.SHIPPED:
            results.phases += warm_phases(stages[sides.B], plan.turns)


def warm_phases(stage: Stage, turns: int) -> list[dict[str, float]]:
    """Return the phases of the turns after the first, as the worker log tells them."""
    ended = [
        turn
        for turn in read_turns(sides.worker_log(stage.root))
        if turn.exit is not None and (turn.session or "").startswith("agent:")
    ]
    return [dict(turn.phases) for turn in ended[1 : turns + 1]]
