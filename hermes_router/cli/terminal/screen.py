"""A view that is shown again and again: in the same place of a terminal, else one below the other.

On a terminal, rich writes the codes and restores the terminal at the end.
"""

from __future__ import annotations

import contextlib
import importlib.util
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from hermes_router.cli.terminal.output import counted, flush, say
from hermes_router.cli.terminal.pager import Kept

if TYPE_CHECKING:
    from rich.console import Console, Group


def repeat(show: Callable[[], None], seconds: float, whole: str) -> NoReturn:
    """Call ``show``, which writes a view, every so many seconds until somebody ends the process.

    On a terminal a view is cut to the size that the terminal has then. Its last line says how many
    lines are not shown, and that the command ``whole`` shows all. In a pipe or a file, and in a
    Python without rich, each view is whole, below its time, and an empty line follows.
    """
    console = _console()
    if console is None:
        while True:
            say(datetime.now(UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S"))
            show()
            say()
            flush()
            time.sleep(seconds)
    _repeat_in_place(show, seconds, whole, console)


def _console() -> Console | None:
    """Return rich's view of the terminal; None if nothing can be written over what is there."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    if importlib.util.find_spec("rich") is None:
        return None
    from rich.console import Console  # noqa: PLC0415 - slow, for a live view only

    console = Console(file=sys.stdout, force_terminal=True, force_interactive=True)
    return None if console.is_dumb_terminal else console


def _repeat_in_place(
    show: Callable[[], None], seconds: float, whole: str, console: Console
) -> NoReturn:
    from rich.live import Live  # noqa: PLC0415 - slow, for a live view only

    # Without this, SIGTERM would leave the terminal without a cursor.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    with Live(
        console=console,
        screen=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as live:
        while True:
            live.update(cut(_written(show), whole, console), refresh=True)
            time.sleep(seconds)


def _written(show: Callable[[], None]) -> str:
    """Return what ``show`` writes to a terminal, its hints included."""
    kept = Kept(sys.stdout.fileno())
    with contextlib.redirect_stdout(kept), contextlib.redirect_stderr(kept):
        show()
    return kept.getvalue()


def cut(text: str, whole: str, console: Console) -> Group:
    """Return the first lines of a text that fit the terminal now.

    If there are more, the last line says how many, and that the command ``whole`` shows them.
    """
    from rich.console import Group  # noqa: PLC0415 - slow, for a live view only
    from rich.text import Text  # noqa: PLC0415

    width, height = console.size
    lines = Text.from_ansi(text).wrap(console, width)
    if len(lines) <= height:
        return Group(*lines)

    def rest(count: int) -> list[Text]:
        words = f"{counted(count, 'more line')}; all: {whole}"
        return list(Text(words, "dim").wrap(console, width))

    room = max(height - len(rest(len(lines))), 0)
    return Group(*lines[:room], *rest(len(lines) - room))
