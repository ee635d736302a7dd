"""All arithmetic on what was measured. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

PHASES = ("start", "ready", "model_request", "reply", "gone")
"""Of the worker log, in their order."""


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that at least `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile, as :func:`percentile` computes it."""
    return percentile(values, 95)


median: Callable[[Sequence[float]], float] = statistics.median


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of both sides: medians over rounds, and the ratio b/a of each round."""

    a: float | None
    b: float | None
    ratio: float | None
    low: float | None
    high: float | None
    rounds: int


def compare(
    a: Sequence[Sequence[float]],
    b: Sequence[Sequence[float]],
    summarise: Callable[[Sequence[float]], float],
) -> Compared:
    """Summarise each round of each side, then compare round by round.

    A round without values on a side has no ratio, and neither has one whose `a` is zero.
    """
    ones = [summarise(values) if values else None for values in a]
    others = [summarise(values) if values else None for values in b]
    ratios = [
        other / one
        for one, other in zip(ones, others, strict=False)
        if one and other is not None and one > 0
    ]
    return Compared(
        a=_median(ones),
        b=_median(others),
        ratio=_median(ratios),
        low=min(ratios, default=None),
        high=max(ratios, default=None),
        rounds=max(len(ones), len(others)),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def steps(phases: Mapping[str, float]) -> dict[str, float]:
    """Return how long each phase took: from the one before, instead of from the beginning."""
    known = [name for name in PHASES if name in phases]
    before = [0.0, *(phases[name] for name in known)]
    return {name: phases[name] - at for name, at in zip(known, before, strict=False)}
