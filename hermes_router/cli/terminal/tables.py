"""Tables that fit the terminal: the least important columns go first, then long cells are cut.

If that is not enough, each row becomes several lines. A pipe or a file gets the whole table.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from hermes_router.cli.terminal import columns
from hermes_router.cli.terminal.output import (
    clean,
    one_line,
    paint,
    say,
    say_records,
    shows_colour,
    write,
)


def show(head: Sequence[str], rows: Sequence[Sequence[str]], *, styles: Sequence[str] = ()) -> None:
    """Print rows in columns, and the headings that had no room; ``styles`` has one for each row.

    In a Python without rich, each row becomes several lines.
    """
    cells = [[one_line(clean(cell)) for cell in row] for row in rows]
    drawn = columns.draw(head, cells, styles, colour=shows_colour(sys.stdout), whole=False)
    if drawn is None:
        say_records(head, cells)
        return
    for line in drawn.lines:
        write(line)
    if drawn.left_out:
        say(paint(f"this terminal is too narrow for: {', '.join(drawn.left_out)}", "dim"))
