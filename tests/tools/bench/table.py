"""Showing what was measured, to people and to programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hermes_router.protocol.system.versions import hermes_version
from tests.tools.bench import sides
from tests.tools.bench.alone import Alone
from tests.tools.bench.figures import Row
from tests.tools.bench.rounds import Measured, Results
from tests.tools.bench.routing import Timing
from tests.tools.bench.summary import PHASES, Compared, compare, median, p95, steps

_MEANINGS = {
    "start": "the worker is there",
    "ready": "the gateway has read that it is ready",
    "model_request": "the model is asked",
    "reply": "the reply is delivered, the state saved",
    "gone": "post-turn work is done, the process has ended",
}


def compared(measured: Measured, row: Row) -> Compared:
    """Return one line's numbers."""
    return compare(
        measured.series(sides.A, row.series), measured.series(sides.B, row.series), row.summarise
    )


# -- for programs --------------------------------------------------------------------------------


def as_data(
    results: Results, routing: Sequence[Timing], alone: Sequence[Alone] = ()
) -> dict[str, Any]:
    """Return everything, every sample included, for JSON."""
    return {
        "hermes": hermes_version(),
        "figures": [_figure_data(measured) for measured in results.figures],
        "phases": results.phases,
        "routing": [asdict(timing) for timing in routing],
        "alone": [asdict(line) | {"ratio": line.ratio} for line in alone],
    }


def _figure_data(measured: Measured) -> dict[str, Any]:
    figure = measured.figure
    rows = {
        row.label: {"unit": row.unit, "target": row.target} | asdict(compared(measured, row))
        for row in figure.rows
    }
    return {
        "number": figure.number,
        "title": figure.title,
        "rows": rows,
        "samples": measured.rounds,
    }


# -- for people ----------------------------------------------------------------------------------


def as_text(results: Results, routing: Sequence[Timing], alone: Sequence[Alone] = ()) -> str:
    """Return the tables."""
    blocks = [
        _figures(results.figures),
        _phases(results.phases),
        _alone(alone),
        _routing(routing),
    ]
    return "\n\n".join(block for block in blocks if block)


def _figures(figures: Sequence[Measured]) -> str:
    rows = []
    for measured in figures:
        title = measured.figure.title
        for row in measured.figure.rows:
            found = compared(measured, row)
            ratio = _ratio(found) if row.compared else ("", "")
            label = f"{title}: {row.label}"
            values = (_number(found.a, row.unit), _number(found.b, row.unit))
            rows.append(
                (measured.figure.number, label, *values, *ratio, str(found.rounds), row.target)
            )
    if not rows:
        return ""
    head = (
        f"(a) {sides.A}, (b) {sides.B}: medians over the rounds; "
        "ratio b/a: median over the rounds, then lowest to highest"
    )
    return table(head, ("#", "figure", "(a)", "(b)", "b/a", "spread", "rounds", "target"), rows)


def _ratio(found: Compared) -> tuple[str, str]:
    if found.ratio is None or found.low is None or found.high is None:
        return "", ""
    return f"{found.ratio:.2f}", f"{found.low:.2f} to {found.high:.2f}"


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value * 1000:.0f} ms" if unit == "s" else f"{value:.1f} {unit}"


def _phases(phases: Sequence[Mapping[str, float]]) -> str:
    if not phases:
        return ""
    took = [steps(sample) for sample in phases]
    rows = []
    for name in PHASES:
        values = [sample[name] for sample in took if name in sample]
        since = [sample[name] for sample in phases if name in sample]
        if values:
            cells = (median(values), p95(values), median(since), p95(since))
            rows.append((name, *(_number(value, "s") for value in cells), _MEANINGS[name]))
    head = f"A warm turn of the router, {len(phases)} turns: each phase, then since the beginning"
    return table(head, ("phase", "median", "p95", "median", "p95", "until"), rows)


def _alone(lines: Sequence[Alone]) -> str:
    if not lines:
        return ""
    rows = [
        (
            line.number,
            line.what,
            "" if line.bare is None else f"{line.bare:.3f} {line.unit}",
            f"{line.router:.3f} {line.unit}".rstrip(),
            "" if line.ratio is None else f"{line.ratio:.2f}",
            line.target,
        )
        for line in lines
    ]
    head = (
        "The dispatcher alone, with a worker that is a script, against a bare spawn and exchange;\n"
        "13: the ledger, against one line that is synced; medians over the rounds, or the messages"
    )
    return table(head, ("#", "figure", "bare", "router", "ratio", "target"), rows)


def _routing(timings: Sequence[Timing]) -> str:
    if not timings:
        return ""
    least = timings[0].match
    rows = [
        (
            f"{timing.size}",
            f"{timing.match * 1e6:.2f} us",
            f"{timing.match / least:.2f}",
            f"{timing.build * 1e3:.1f} ms",
            f"{timing.read * 1e3:.0f} ms",
            f"{timing.pause * 1e3:.0f} ms",
        )
        for timing in timings
    ]
    head = (
        "Finding the route of a message, by the number of routes; ratio to the smallest table;\n"
        "building the index; reading the whole table from a routes file, and the longest that the\n"
        "gateway's loop would stand still meanwhile"
    )
    return table(head, ("routes", "match", "ratio", "build", "read", "pause"), rows)


_LEFT = {"#", "figure", "phase", "until", "target", "spread"}


def table(head: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with aligned columns."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines = [head]
    for row in (columns, *rows):
        cells = [
            cell.ljust(width) if name in _LEFT else cell.rjust(width)
            for cell, width, name in zip(row, widths, columns, strict=True)
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join(lines)
