"""`python -m tests.tools.soak`: minutes of traffic while things are killed and calls refused.

The exit status is 0 if every message had one outcome, in order, and the gateway's use was flat.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.kit.stopping import ended_by_signals
from tests.tools.soak.plan import SHORT, Plan, full
from tests.tools.soak.run import Figures, soak


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, print the figures, and return the exit status."""
    options = _options(arguments)
    begun = time.monotonic()

    def progress(what: str) -> None:
        sys.stderr.write(f"{time.monotonic() - begun:5.0f} s  {what}\n")

    figures = soak(_plan(options), progress, options.keep)
    print(as_json(figures) if options.json else as_text(figures))
    for line in figures.wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    for conversation in figures.seen:
        print(conversation, file=sys.stderr)
    return 1 if figures.wrong else 0


def as_json(figures: Figures) -> str:
    """Return the figures for a program."""
    return json.dumps(dataclasses.asdict(figures), indent=1)


def as_text(figures: Figures) -> str:
    """Return the figures for a person."""
    delays = figures.delays or [0.0]
    messages = (
        f"{figures.messages} messages in {figures.seconds:.0f} s: {figures.answered} answered, "
        f"{figures.told} told what became of them, {len(figures.wrong)} things are wrong"
    )
    harm = (
        f"killed: {figures.workers_killed} workers, {figures.gateways_killed} gateways; "
        f"calls that the platform refused: {figures.calls_refused}"
    )
    waits = (
        f"seconds to the outcome: median {delays[len(delays) // 2]:.1f}, "
        f"95 in 100 within {delays[len(delays) * 95 // 100]:.1f}, longest {delays[-1]:.1f}"
    )
    lines = [messages, harm, waits]
    for number, (early, late) in enumerate(figures.rests, start=1):
        lines += [f"gateway {number}, after {early.line()}", f"{'':11}after {late.line()}"]
    return "\n".join(lines)


def _plan(options: argparse.Namespace) -> Plan:
    plan = full(options.minutes) if options.minutes else SHORT
    changes = {
        name: value
        for name in ("profiles", "conversations", "seed")
        if (value := getattr(options, name)) is not None
    }
    if "conversations" in changes:
        changes["least"] = 0
    return dataclasses.replace(plan, **changes)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.tools.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, help="how long; without it, the short form")
    parser.add_argument("--profiles", type=int, help="how many profiles")
    parser.add_argument("--conversations", type=int, help="how many conversations")
    parser.add_argument("--seed", type=int, help="where everything random comes from")
    parser.add_argument("--keep", type=Path, help="a new folder for the homes and their logs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    with ended_by_signals():
        status = main()
    sys.exit(status)
