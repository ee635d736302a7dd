"""Show a long answer on a terminal through the person's pager, as git and gh do."""

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

#: Options for less if the person has set none: quit if all fits, show colours, do not clear.
_LESS = "FRX"


class Kept(io.StringIO):
    """A buffer for a command's output, to be shown through a pager.

    Asked about colour and width, it acts as the terminal behind it, so that the output is the same.
    """

    def __init__(self, terminal: int) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        """Return True: the buffer stands for a terminal."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the terminal."""
        return self._terminal


@contextlib.contextmanager
def paged() -> Iterator[None]:
    """Show the block's output through ``$PAGER`` (or less), if it is longer than the terminal.

    In a pipe or a file, or if ``PAGER`` is ``cat`` or empty, the output is written unchanged.
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
    kept = Kept(sys.stdout.fileno())
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
    # A person may leave the pager before the end of the text.
    subprocess.run(command, input=text, text=True, errors="replace", env=environment, check=False)
