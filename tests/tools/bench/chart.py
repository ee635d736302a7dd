"""The ratios as a picture (SVG): a bar for each compared figure, its spread and its target."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from tests.tools.bench.figures import Row
from tests.tools.bench.rounds import Measured
from tests.tools.bench.summary import Compared
from tests.tools.bench.table import compared

_LABELS, _BARS, _ROW, _HEAD = 450, 360, 26, 64
_MOST = 3.0
"""Bars and spreads are cut here: the number beside a bar is the whole ratio."""

_LEGEND = "less is better, more where there is a ↑; thin line: lowest to highest round; red: target"
_MORE_IS_BETTER = "1/s"
_TARGET = re.compile(r"[<>]= ([\d.]+)")


def as_svg(figures: Sequence[Measured]) -> str:
    """Return the chart."""
    bars: list[str] = []
    for measured in figures:
        for row in measured.figure.rows:
            found = compared(measured, row)
            if row.compared and found.ratio is not None:
                bars.append(_bar(len(bars), f"{measured.figure.title}: {row.label}", row, found))
    height, width = _HEAD + _ROW * len(bars) + 10, _LABELS + _BARS + 60
    one = _x(1.0)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
            "<style>text { font: 12px sans-serif }</style>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            '<text x="10" y="20" font-weight="bold">router / in-process routing</text>',
            f'<text x="10" y="38">{_LEGEND}</text>',
            f'<line x1="{one}" x2="{one}" y1="{_HEAD - 8}" y2="{height}" stroke="#888888"/>',
            f'<text x="{one}" y="{_HEAD - 12}" text-anchor="middle" fill="#888888">1.0</text>',
            *bars,
            "</svg>",
            "",
        ]
    )


def _bar(number: int, label: str, row: Row, found: Compared) -> str:
    ratio = found.ratio or 0.0
    low, high = found.low or ratio, found.high or ratio
    top, middle = _HEAD + _ROW * number, _HEAD + _ROW * number + 9
    label += " ↑" if row.unit == _MORE_IS_BETTER else ""
    return (
        f'<text x="{_LABELS - 8}" y="{top + 13}" text-anchor="end">{escape(label)}</text>'
        f'<rect x="{_LABELS}" y="{top}" width="{_x(ratio) - _LABELS}" height="18" fill="#5b8db8"/>'
        f'<line x1="{_x(low)}" x2="{_x(high)}" y1="{middle}" y2="{middle}" stroke="#1d3c54"/>'
        f"{_target(row.target, top)}"
        f'<text x="{max(_x(ratio), _x(high)) + 6}" y="{top + 13}">{ratio:.2f}</text>'
    )


def _target(target: str, top: int) -> str:
    """Return a mark at the ratio that is aimed at, if the target is one."""
    found = _TARGET.fullmatch(target)
    if found is None:
        return ""
    x = _x(float(found[1]))
    return f'<line x1="{x}" x2="{x}" y1="{top}" y2="{top + 18}" stroke="#c03030" stroke-width="2"/>'


def _x(ratio: float) -> int:
    return _LABELS + round(min(ratio, _MOST) / _MOST * _BARS)
