"""Showing the results: for a terminal, for docs/leaks.md, as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.tools.leaks.row import HEADINGS, IN_PROCESS, SIDES, Cell, Row, State, complaint, no_leak
from tests.tools.leaks.suite import Results

_LONGEST = 120


def complaints(rows: Sequence[Row], results: Results) -> list[str]:
    """Return why the suite fails, one line per cell; empty when all is as it should be."""
    return [
        f"{row.key} ({row.what}), {HEADINGS[side]}: {why}"
        for row in rows
        for side, cell in results[row.key].items()
        if (why := complaint(row, side, cell)) is not None
    ]


def as_markdown(rows: Sequence[Row], results: Results) -> str:
    """Return a table for a document."""
    lines = [
        f"| | leak class | {' | '.join(HEADINGS[side] for side in SIDES)} | upstream |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = " | ".join(_shown(row, side, results[row.key].get(side)) for side in SIDES)
        lines.append(f"| {row.key} | {row.what} | {cells} | {_upstream(row)} |")
    return "\n".join(lines)


def as_text(rows: Sequence[Row], results: Results) -> str:
    """Return a block of lines per row, for a terminal."""
    lines: list[str] = []
    for row in rows:
        lines.append(f"{row.key:<5} {row.what}  {_upstream(row)}".rstrip())
        lines += [
            f"      {HEADINGS[side]:<20} {_shown(row, side, cell)}"
            for side in SIDES
            if (cell := results[row.key].get(side)) is not None
        ]
    return "\n".join(lines)


def as_data(rows: Sequence[Row], results: Results) -> list[dict[str, Any]]:
    """Return everything, for JSON."""
    return [
        {
            "key": row.key,
            "what": row.what,
            "upstream": list(row.upstream),
            "unseen": row.unseen,
            "leaked_until": row.leaked_until,
            "by_design": dict(row.by_design),
            "cells": {
                side: {
                    "state": cell.state.value,
                    "text": cell.text,
                    "seconds": round(cell.seconds, 1),
                    "complaint": complaint(row, side, cell),
                }
                for side, cell in results[row.key].items()
            },
        }
        for row in rows
    ]


def _shown(row: Row, side: str, cell: Cell | None) -> str:
    if cell is None:
        return "not run"
    text = " ".join(str(cell).split()).replace("|", "/")
    if side in row.by_design and cell.text:
        text += f" ({row.by_design[side]})"
    if side == IN_PROCESS and cell.state is State.ISOLATED and no_leak(row):
        text += f": {no_leak(row)}"
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _upstream(row: Row) -> str:
    return ", ".join(f"#{number}" for number in row.upstream)
