"""Waiting for what nobody announces: by looking, within a limit."""

from __future__ import annotations

import time
from collections.abc import Callable

_TICK = 0.02


def wait_until(
    condition: Callable[[], object], seconds: float = 120.0, what: str = "it did not come"
) -> None:
    """Wait until ``condition`` returns something true; it is called every 20 milliseconds.

    Raises:
        TimeoutError: that did not happen within ``seconds``; its text is ``what``.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(_TICK)
