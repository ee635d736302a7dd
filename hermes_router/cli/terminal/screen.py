"""A view that is shown again and again in the same place of a terminal; rich writes the codes."""

from __future__ import annotations

import contextlib
import sys


def clear() -> None:
    """Clear the terminal and go to its first line; do nothing in a pipe, or without rich."""
    if not sys.stdout.isatty():
        return
    with contextlib.suppress(ImportError):
        from rich.console import Console  # noqa: PLC0415 - slow, for a live view only
        from rich.control import Control  # noqa: PLC0415

        Console(file=sys.stdout, force_terminal=True).control(Control.home(), Control.clear())
