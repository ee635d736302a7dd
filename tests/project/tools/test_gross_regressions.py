"""Two figures of the benchmark, measured briefly: a turn must not become many times as slow.

What is compared is in-process routing in the same run, so the machine's speed does not matter. The
bounds are far above what `docs/performance.md` shows: only a gross regression exceeds them, and the
better of two rounds counts, because other tests run beside them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from tests.tools.bench import sides
from tests.tools.bench.figures import Figure, busy_turns, first_minute
from tests.tools.bench.rounds import Plan, run
from tests.tools.bench.summary import compare, median

BUSY = busy_turns.FIGURE
FIRST_MINUTE = replace(
    first_minute.ROUTED[0],
    measure=partial(first_minute.measure, topic=sides.topic(0, 0), moments=(2.0,)),
    rows=tuple(row for row in first_minute.ROUTED[0].rows if row.series == "2.0"),
    once=False,
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("figure", "largest"), [(BUSY, 2.5), (FIRST_MINUTE, 3.0)], ids=["busy", "first minute"]
)
def test_a_turn_takes_not_much_longer_than_in_process(figure: Figure, largest: float) -> None:
    [measured] = run([figure], Plan(starts=1, rounds=2, turns=2), print).figures
    a, b = (measured.series(side, figure.rows[0].series) for side in (sides.A, sides.B))
    ratio = compare(a, b, median).low
    assert ratio is not None
    assert ratio <= largest, (a, b)
