"""The ratios as a picture (SVG): one bar for each compared figure, its spread as a line."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tests.bench.rounds import Measured
from tests.bench.table import compared

_LABELS, _BARS, _ROW, _HEAD = 380, 360, 26, 40
_MOST = 3.0
"""Ratios above this are cut, and say so by their number."""


def as_svg(figures: Sequence[Measured]) -> str:
    """Return the chart."""
    bars: list[str] = []
    for measured in figures:
        for row in measured.figure.rows:
            found = compared(measured, row)
            if row.compared and found.ratio is not None:
                label = f"{measured.figure.title}: {row.label}"
                low, high = found.low or found.ratio, found.high or found.ratio
                bars.append(_bar(len(bars), label, found.ratio, low, high))
    height, width = _HEAD + _ROW * len(bars) + 10, _LABELS + _BARS + 60
    one = _x(1.0)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
            "<style>text { font: 12px sans-serif }</style>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            '<text x="10" y="20" font-weight="bold">router / in-process routing</text>',
            f'<line x1="{one}" x2="{one}" y1="{_HEAD - 8}" y2="{height}" stroke="#888888"/>',
            f'<text x="{one}" y="{_HEAD - 12}" text-anchor="middle" fill="#888888">1.0</text>',
            *bars,
            "</svg>",
            "",
        ]
    )


def _bar(number: int, label: str, ratio: float, low: float, high: float) -> str:
    top, middle = _HEAD + _ROW * number, _HEAD + _ROW * number + 9
    return (
        f'<text x="{_LABELS - 8}" y="{top + 13}" text-anchor="end">{escape(label)}</text>'
        f'<rect x="{_LABELS}" y="{top}" width="{_x(ratio) - _LABELS}" height="18" fill="#5b8db8"/>'
        f'<line x1="{_x(low)}" x2="{_x(high)}" y1="{middle}" y2="{middle}" stroke="#1d3c54"/>'
        f'<text x="{max(_x(ratio), _x(high)) + 6}" y="{top + 13}">{ratio:.2f}</text>'
    )


def _x(ratio: float) -> int:
    return _LABELS + round(min(ratio, _MOST) / _MOST * _BARS)
