"""`python -m tests.tools.bench`: Hermes's in-process routing and the router, under the same load.

Absolute times say something about this machine and what else it does: ratios travel.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.kit.stopping import ended_by_signals
from tests.tools.bench import alone, chart, ledger, routing, table
from tests.tools.bench.figures import FIGURES, Figure
from tests.tools.bench.rounds import Plan, Results, expected, run

FULL = Plan(starts=2, rounds=2, turns=8)
QUICK = Plan(starts=1, rounds=3, turns=3)

ON_STDOUT = Path("-")
ALONE_SECONDS = 240
"""What the dispatcher alone and the routing table take together, roughly."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit status."""
    options = _options(arguments)
    results = _measured(options)
    everything = not (options.only or options.routing or options.alone)
    timings = routing.measure() if options.routing or everything else []
    lines = []
    if options.alone or (everything and not options.quick):
        lines = [*alone.measure(), *ledger.measure()]
    if options.svg is not None:
        options.svg.write_text(chart.as_svg(results.figures), "utf-8")
    data = json.dumps(table.as_data(results, timings, lines))
    if options.json == ON_STDOUT:
        print(data)
    else:
        if options.json is not None:
            options.json.write_text(data, "utf-8")
        print(table.as_text(results, timings, lines))
    for failure in results.failed:
        print(f"\nERROR: a turn was not answered with the setup {failure}", file=sys.stderr)
    return 1 if results.failed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the main figures, with few turns")
    parser.add_argument("--starts", type=int, help="start the gateways that often")
    parser.add_argument("--rounds", type=int, help="that many rounds for each start")
    parser.add_argument("--turns", type=int, help="that many turns in each round")
    parser.add_argument("--only", help="the figures with these numbers, like 1,2,8")
    parser.add_argument("--routing", action="store_true", help="the routing table alone")
    parser.add_argument("--alone", action="store_true", help="the dispatcher and the ledger alone")
    parser.add_argument(
        "--json",
        nargs="?",
        type=Path,
        const=ON_STDOUT,
        metavar="FILE",
        help="JSON with every sample, into a file; without one in place of the table",
    )
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write a chart of the ratios")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace) -> list[Figure]:
    """Return the figures that are wanted."""
    if options.only:
        numbers = set(options.only.split(","))
        return [figure for figure in FIGURES if figure.number in numbers]
    if options.routing or options.alone:
        return []
    return [figure for figure in FIGURES if figure.quick or not options.quick]


def _measured(options: argparse.Namespace) -> Results:
    begun = time.monotonic()

    def progress(what: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s  {what}", file=sys.stderr, flush=True)

    plan = QUICK if options.quick else FULL
    plan = Plan(
        options.starts or plan.starts, options.rounds or plan.rounds, options.turns or plan.turns
    )
    figures = chosen(options)
    rest = 0 if options.only or options.quick else ALONE_SECONDS
    minutes = (expected(figures, plan) + rest) / 60
    progress(f"about {minutes:.0f} minutes on a quiet machine with two cores")
    return run(figures, plan, progress)


if __name__ == "__main__":
    with ended_by_signals():
        status = main()
    sys.exit(status)
