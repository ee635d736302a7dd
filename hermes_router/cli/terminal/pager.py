"""A long answer on a terminal goes through the person's pager, as git's and gh's does."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator

from hermes_router.cli.terminal.output import write

#: What less is told, where the person has told it nothing: leave if all fits, colours, no clearing.
_LESS = "FRX"


class _Kept(io.StringIO):
    """What a command writes, kept; it answers questions about colour and width as a terminal."""

    def __init__(self, terminal: int) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        """Say yes."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the terminal."""
        return self._terminal


@contextlib.contextmanager
def paged() -> Iterator[None]:
    """Show what is written in here by ``$PAGER`` (or less), if it is longer than the terminal.

    In a pipe or a file, and with ``PAGER=cat`` or an empty one, it is written as it is.
    """
    command = shlex.split(os.environ.get("PAGER", "less"))
    if (
        sys.stdout is None
        or not sys.stdout.isatty()
        or not command
        or shutil.which(command[0]) is None
    ):
        yield
        return
    kept = _Kept(sys.stdout.fileno())
    try:
        with contextlib.redirect_stdout(kept):
            yield
    finally:
        _show(kept.getvalue(), command)


def _show(text: str, command: list[str]) -> None:
    if text.count("\n") < shutil.get_terminal_size().lines:
        write(text.removesuffix("\n"))
        return
    sys.stdout.flush()
    environment = {"LESS": _LESS, **os.environ}
    # Whoever leaves the pager early has seen enough.
    subprocess.run(command, input=text, text=True, errors="replace", env=environment, check=False)
