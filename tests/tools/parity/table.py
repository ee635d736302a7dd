"""The side-by-side table."""

from __future__ import annotations

from collections.abc import Sequence

from tests.tools.parity.stage import Row

_WIDTH = 50


def heading() -> str:
    """Return the table's head."""
    return f"{'':>2}  {'scenario':<{_WIDTH}} {'plain gateway':<15} {'routed':<15} same?"


def line(row: Row) -> str:
    """Return one row."""
    scenario = row.scenario
    return (
        f"{scenario.point:>2}  {scenario.title:<{_WIDTH}} {row.plain:<15} {row.routed:<15} "
        f"{row.verdict}"
    )


def as_text(rows: Sequence[Row]) -> str:
    """Return what follows the rows: the reasons of the differences that were met, and the sum."""
    met = {difference.name: difference for row in rows for difference in row.allowed}
    same = sum(1 for row in rows if not row.wrong)
    lines = ["", f"{same} of {len(rows)} scenarios are the same."]
    if met:
        lines += ["", "What differs, and why:"]
        lines += [f"  {name}: {difference.reason}" for name, difference in sorted(met.items())]
    return "\n".join(lines)
