"""`python -m tests.tools.parity`: play all scenarios, print a table; exit 1 if one differs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tests.kit.stopping import ended_by_signals
from tests.tools.parity import scenarios as _scenarios  # noqa: F401 - enters them
from tests.tools.parity.differences import DIFFERENCES
from tests.tools.parity.registry import SCENARIOS, Scenario
from tests.tools.parity.stage import Row, play_all
from tests.tools.parity.table import as_text, heading, line


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, print, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.parity", description=__doc__)
    parser.add_argument("--only", default="", help="scenarios whose title contains this")
    parser.add_argument("--point", type=int, action="append", help="scenarios of this point")
    parser.add_argument(
        "--setting", default="", help="scenarios whose setting's name contains this"
    )
    parser.add_argument("--list", action="store_true", help="name the scenarios, play nothing")
    options = parser.parse_args(arguments)
    chosen = [s for s in _chosen(options.only, options.point) if options.setting in s.setting.name]
    if options.list:
        print("\n".join(f"{s.point:>2}  {s.title}" for s in chosen))
        return 0
    print(heading())
    rows: list[Row] = []
    for row in play_all(chosen):
        rows.append(row)
        print(line(row), flush=True)
        for text in row.wrong[:60]:
            print(f"      {text[:1500]}", flush=True)
    print(as_text(rows))
    return int(bool(failures(rows, full=len(chosen) == len(SCENARIOS))))


def _chosen(only: str, points: list[int] | None) -> list[Scenario]:
    return [
        scenario
        for scenario in SCENARIOS
        if only.casefold() in scenario.title.casefold() and (not points or scenario.point in points)
    ]


def failures(rows: Sequence[Row], *, full: bool) -> list[str]:
    """Return what is wrong: rows that differ, and (in a full run) entries that were never met."""
    wrong = [row.scenario.title for row in rows if row.wrong]
    if full:
        met = {difference.name for row in rows for difference in row.allowed}
        wrong += [f"never met: {d.name}" for d in DIFFERENCES if d.name not in met]
    for text in wrong:
        print(f"ERROR: {text}", file=sys.stderr)
    return wrong


if __name__ == "__main__":
    with ended_by_signals():
        status = main()
    sys.exit(status)
