"""Count the routed messages: those of today for ``status``, those since the start for metrics."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from hermes_router.observe.records import arrived
from hermes_router.turns.story import TurnReport

#: Maximum number of messages from which today's figures of a profile are computed.
_MOST_TODAY = 10_000

#: The upper bounds of the histograms' buckets, in seconds.
BUCKETS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class Today(msgspec.Struct, frozen=True, kw_only=True):
    """A profile's figures since midnight, local time.

    ``turns`` counts its answers and failures. ``median`` and ``p95`` are seconds until the reply;
    None means that there was none.
    """

    turns: int = 0
    failed: int = 0
    median: float | None = None
    p95: float | None = None


class Histogram(msgspec.Struct):
    """A histogram: for each of ``BUCKETS``, how many values were at most that; and their sum."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * len(BUCKETS))
    count: int = 0
    sum: float = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.count += 1
        self.sum += value
        for index, bound in enumerate(BUCKETS):
            self.counts[index] += value <= bound


class Figures:
    """Counts outcomes, times and tokens from the reports of turns, for each profile.

    A new gateway begins at 0, except for today's figures and the last failures: see
    :meth:`remember`.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.seconds: defaultdict[tuple[str, str], Histogram] = defaultdict(Histogram)
        self.tokens: Counter[tuple[str, str]] = Counter()
        self.failures: dict[str, TurnReport] = {}
        self._days: defaultdict[str, deque[TurnReport]] = defaultdict(
            lambda: deque(maxlen=_MOST_TODAY)
        )

    def remember(self, reports: Iterable[TurnReport]) -> None:
        """Add reports that earlier gateways recorded, the oldest first.

        They count for today's figures and for the last failure only, not for the metrics.
        """
        for report in reports:
            self._note_day(report)

    def add(self, report: TurnReport) -> None:
        """Count the report of one answer or failure of this gateway."""
        self.outcomes[report.profile, report.outcome] += 1
        if report.seconds is not None:
            self.seconds[report.profile, "total"].add(report.seconds)
        for phase, seconds in report.phases.items():
            if "." not in phase:
                self.seconds[report.profile, phase].add(seconds)
        self.tokens[report.profile, "input"] += report.input_tokens
        self.tokens[report.profile, "output"] += report.output_tokens
        self._note_day(report)

    def today(self, profile: str) -> Today:
        """Return a profile's figures since midnight, from its newest 10,000 reports at most."""
        start = datetime.now(UTC).astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        day = self._days[profile]
        while day and (arrived(day[0]) or start) < start:
            day.popleft()
        taken = sorted(report.seconds for report in day if report.seconds is not None)
        return Today(
            turns=len(day),
            failed=sum(report.failed for report in day),
            median=_at(taken, 0.5),
            p95=_at(taken, 0.95),
        )

    def _note_day(self, report: TurnReport) -> None:
        self._days[report.profile].append(report)
        if report.failed:
            self.failures[report.profile] = report


def _at(values: Sequence[float], share: float) -> float | None:
    """Return the quantile ``share`` (0 to 1) of sorted values; None without values."""
    if not values:
        return None
    return values[min(len(values) - 1, int(share * len(values)))]
