"""Tables that fit the terminal: the widest columns are cut, wide characters count as two."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Sequence

from hermes_router.cli.terminal.output import clean, paint, say

_GAP = "  "
_LEAST = 8


def show(head: Sequence[str], rows: Sequence[Sequence[str]], *, styles: Sequence[str] = ()) -> None:
    """Print rows in columns; ``styles`` has a style for each row. A pipe gets the rows uncut."""
    cells = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(head, *cells, strict=True)]
    if sys.stdout.isatty():
        fit(widths, shutil.get_terminal_size().columns)
    say(paint(_row(head, widths), "dim"))
    for row, style in zip(cells, styles or [""] * len(cells), strict=True):
        say(paint(_row(row, widths), style))


def fit(widths: list[int], columns: int) -> None:
    """Make the widest of ``widths`` smaller until a row fits into ``columns`` terminal columns.

    This changes the list. No width gets smaller than 8, so a row may still be too wide.
    """
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - columns
    while over > 0 and max(widths) > _LEAST:
        widest = widths.index(max(widths))
        widths[widest] -= 1
        over -= 1


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(_of(char) for char in text)


def cut(text: str, most: int) -> str:
    """Return a text cut to at most ``most`` columns; a cut text ends in an ellipsis."""
    if width(text) <= most:
        return text
    kept, used = "", 1
    for char in text:
        used += _of(char)
        if used > most:
            break
        kept += char
    return f"{kept}…"


def _of(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    shown = [cut(cell, most) for cell, most in zip(cells, widths, strict=True)]
    padded = [c + " " * (most - width(c)) for c, most in zip(shown, widths, strict=True)]
    return _GAP.join(padded).rstrip()


def _one_line(cell: str) -> str:
    return clean(cell).replace("\n", "\\n").replace("\t", " ")
