"""Tables and prose as lines of text; rich measures the cells, and draws what is coloured or cut.

This module writes nothing: ``output`` and ``tables.show`` do that.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TextIO

if TYPE_CHECKING:
    from rich.console import OverflowMethod

_GAP = 2
_UNLIMITED = sys.maxsize
#: Headings of columns that a narrow terminal does not show; the first of these goes first.
_LESS_IMPORTANT = ("CPU", "MEM", "PHASE", "P95", "MEDIAN", "PID")
#: How narrow the cells below a heading may become; those of other columns keep their width.
_LEAST = {"PLACE": 26, "OUTCOME": 32, "PROFILE": 8}
#: The heading of cells that are continued below, not cut: they say why something failed. They get
#: the room that is left, and beside them a place is less important.
_WRAPPED = "OUTCOME"

#: What a line is broken between: blanks, words, and each character of a script without blanks.
_PIECE = re.compile(r"\s+|[^\s\u1100-\U0010ffff]+|.")
_WORD = re.compile(r"\s+|\S+")

Rows = Sequence[Sequence[str]]


class Drawn(NamedTuple):
    """A table that fits: its lines, and the headings of the columns that are left out."""

    lines: list[str]
    left_out: list[str]


def draw(
    head: Sequence[str], rows: Rows, styles: Sequence[str] = (), *, colour: bool, whole: bool
) -> Drawn | None:
    """Return the table of these cells; None if it is too wide, or if this Python has no rich.

    ``styles`` has a style for each row; they count if ``colour`` is true. With ``whole``, no column
    is left out and no cell is cut.
    """
    if importlib.util.find_spec("rich") is None:
        return None
    widths, columns = _natural_widths(head, rows), room()
    shown = list(range(len(head))) if whole else kept(head, widths, columns)
    names, fit = [head[i] for i in shown], [widths[i] for i in shown]
    if not whole:
        fit = fitted(names, fit, columns)
    if _total(fit) > columns:
        return None
    cells = [[row[i] for i in shown] for row in rows]
    if colour or fit != [widths[i] for i in shown]:
        lines = _lines(names, cells, fit, styles or [""] * len(rows), colour=colour)
    else:
        lines = _padded(names, cells, fit)
    return Drawn(lines, [name for i, name in enumerate(head) if i not in shown])


def wrapped(prose: str, width: int) -> list[str]:
    """Return prose as lines of at most ``width`` columns, of which a wide character takes two.

    A longer word is a line, and stays whole: rich would cut it, for example a path, so that it
    could not be copied. Only a script without blanks is broken inside such a word.
    """
    return [
        line
        for paragraph in prose.splitlines()
        for line in _filled(_words(paragraph, width), width)
    ]


def broken(line: str, width: int) -> list[str]:
    """Return a line as lines of at most ``width`` columns, of which a wide character takes two.

    What the line begins with, for example the margin of a traceback, stays on the first of them. A
    longer word is a line, and stays whole.
    """
    return _filled(_PIECE.findall(line.expandtabs()), width)


def _words(line: str, width: int) -> Iterator[str]:
    """Yield the words of a line and what stands between them; pieces of words that are too long."""
    for word in _WORD.findall(line):
        yield from [word] if cells(word) <= width else _PIECE.findall(word)


def _filled(pieces: Iterable[str], width: int) -> list[str]:
    """Return the pieces of one line as lines of at most ``width`` columns, where that works."""
    lines, begun, used = [], "", 0
    for piece in pieces:
        size = cells(piece)
        if begun.strip() and used + size > width:
            lines.append(begun.rstrip())
            begun, used = "", 0
        if not (lines and not begun and piece.isspace()):
            begun, used = begun + piece, used + size
    return [*lines, begun.rstrip()] if begun or not lines else lines


def cells(text: str) -> int:
    """Return how many columns a text takes; in a Python without rich, how many characters."""
    return len(text) if text.isascii() else _measure()(text)


@functools.cache
def _measure() -> Callable[[str], int]:
    if importlib.util.find_spec("rich") is None:
        return len
    from rich.cells import cell_len  # noqa: PLC0415 - slow, for wide characters only

    return cell_len


def room(stream: TextIO | None = None) -> int:
    """Return how many columns a line of a stream may have; a file has no limit.

    Without ``stream`` it is standard output.
    """
    if os.environ.get("COLUMNS", "").isdigit():
        return int(os.environ["COLUMNS"])
    try:
        return os.get_terminal_size((stream or sys.stdout).fileno()).columns or _UNLIMITED
    except (OSError, ValueError, AttributeError):
        return _UNLIMITED


def kept(head: Sequence[str], widths: Sequence[int], columns: int) -> list[int]:
    """Return the indexes of the columns to show in ``columns`` terminal columns.

    Columns are left out until the others fit when they are as narrow as they may be.
    """
    least = [_least(name, width) for name, width in zip(head, widths, strict=True)]
    left = list(range(len(head)))
    for name in (*_LESS_IMPORTANT, *(["PLACE"] if _WRAPPED in head else [])):
        if _total([least[i] for i in left]) <= columns:
            break
        left = [i for i in left if head[i] != name]
    return left


def fitted(head: Sequence[str], widths: Sequence[int], columns: int) -> list[int]:
    """Return the widths, made smaller where that is allowed, until a row fits into ``columns``."""
    fit = list(widths)
    least = [_least(name, width) for name, width in zip(head, widths, strict=True)]
    while _total(fit) > columns and fit != least:
        wide = [i for i in range(len(fit)) if fit[i] > least[i]]
        fit[max(wide, key=lambda i: (head[i] != _WRAPPED, fit[i]))] -= 1
    return fit


def _least(name: str, width: int) -> int:
    return min(width, _LEAST.get(name, width))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _natural_widths(head: Sequence[str], rows: Rows) -> list[int]:
    from rich.cells import cell_len  # noqa: PLC0415 - slow, for tables only

    return [max(map(cell_len, column)) for column in zip(head, *rows, strict=True)]


def _padded(head: Sequence[str], rows: Rows, widths: Sequence[int]) -> list[str]:
    """Return the lines that rich would draw of cells that all fit, in a tenth of the time."""
    from rich.cells import cell_len  # noqa: PLC0415 - slow, for tables only

    gap = " " * _GAP
    return [
        gap.join(
            f"{cell}{' ' * (width - cell_len(cell))}"
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in (head, *rows)
    ]


def _lines(
    head: Sequence[str],
    rows: Rows,
    widths: Sequence[int],
    styles: Sequence[str],
    *,
    colour: bool,
) -> list[str]:
    from rich.console import Console  # noqa: PLC0415 - slow, for tables only
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
    for name, width in zip(head, widths, strict=True):
        wraps = name == _WRAPPED
        overflow: OverflowMethod = "fold" if wraps else "ellipsis"
        table.add_column(Text(name), width=width, no_wrap=not wraps, overflow=overflow)
    for row, style in zip(rows, styles, strict=True):
        table.add_row(*map(Text, row), style=style)
    console = Console(
        file=io.StringIO(),
        width=_total(widths),
        height=len(rows) + 1,
        force_terminal=colour,
        color_system="standard" if colour else None,
        no_color=not colour,
        legacy_windows=False,
    )
    with console.capture() as drawn:
        console.print(table)
    return [line.rstrip() for line in drawn.get().splitlines()]
