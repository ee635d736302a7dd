"""Remember what a trial of the machine found: success for good, a failure for a while only."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, ParamSpec

_Arguments = ParamSpec("_Arguments")


class Trial(Generic[_Arguments]):
    """A function that tries something, and returns why it does not work here, or None.

    It is called once for the same arguments, which must be hashable. After a failure it is called
    again when ``seconds`` have passed: it may have failed because the machine was busy, or out of
    processes or descriptors. ``clock`` returns monotonic seconds.
    """

    def __init__(
        self,
        attempt: Callable[_Arguments, str | None],
        *,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._attempt, self._seconds, self._clock = attempt, seconds, clock
        self._found: dict[Hashable, tuple[str | None, float]] = {}

    def __call__(self, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> str | None:
        """Return why it does not work here, or None; the first call tries it, and may block."""
        key = (args, tuple(kwargs.items()))
        known = self._found.get(key)
        if known is None or (known[0] is not None and self._clock() >= known[1]):
            reason = self._attempt(*args, **kwargs)
            known = self._found[key] = (reason, self._clock() + self._seconds)
        return known[0]

    def forget(self) -> None:
        """Try it again at the next call."""
        self._found.clear()
