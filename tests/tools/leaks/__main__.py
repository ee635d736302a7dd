"""`python -m tests.tools.leaks`: what leaks from one profile into another, side by side.

The exit status is 0 if nothing leaks through the router but what a row says is so by design, and
if each leak that Hermes's in-process routing is known for was seen.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from hermes_router.workers import launchers
from tests.kit.roots import ordinary_user
from tests.kit.stopping import ended_by_signals
from tests.tools.leaks import table
from tests.tools.leaks.row import LOCAL, SANDBOX, SIDES, Row
from tests.tools.leaks.rows import ROWS
from tests.tools.leaks.suite import run
from tests.tools.leaks.world import ALL_WARM


def main(arguments: Sequence[str] | None = None) -> int:
    """Probe, print, and return the exit status."""
    options = _options(arguments)
    rows = chosen(options.only)
    sides = options.sides.split(",") if options.sides else list(SIDES)
    begun = time.monotonic()

    def progress(what: str) -> None:
        # In one piece: the sides say so at the same time.
        sys.stderr.write(f"{time.monotonic() - begun:5.0f} s  {what}\n")

    results = run(rows, ROWS, {side: obstacle(side) for side in sides}, progress, warm=options.warm)
    wrong = table.complaints(rows, results)
    if options.json:
        print(json.dumps({"rows": table.as_data(rows, results), "wrong": wrong}, indent=1))
    else:
        print((table.as_markdown if options.markdown else table.as_text)(rows, results))
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    return 1 if wrong else 0


def chosen(only: str | None) -> list[Row]:
    """Return the rows that are wanted, by key. Raises SystemExit for a key that none has."""
    if not only:
        return list(ROWS)
    wanted = only.split(",")
    unknown = set(wanted) - {row.key for row in ROWS}
    if unknown:
        raise SystemExit(f"ERROR: no row {', '.join(sorted(unknown))}")
    return [row for row in ROWS if row.key in wanted]


def obstacle(side: str) -> str | None:
    """Return why a side cannot be had on this machine; None if it can."""
    if (why := ordinary_user.obstacle()) is not None:
        return why
    return launchers.check(side) if side in {LOCAL, SANDBOX} else None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.leaks", description=__doc__)
    parser.add_argument("--only", help="the rows with these keys, like E1,F7")
    parser.add_argument("--sides", help=f"some of {','.join(SIDES)}")
    parser.add_argument(
        "--warm",
        type=int,
        default=ALL_WARM,
        metavar="N",
        help="for so many profiles, from alice on, are workers prepared ahead",
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print JSON")
    shape.add_argument("--markdown", action="store_true", help="print the table of docs/leaks.md")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    with ended_by_signals():
        status = main()
    sys.exit(status)
