"""Decide when to start a worker again for a profile whose workers never get ready.

A start may fail each time, for example because a plugin ends the process or the home is missing.
To try it with each message would cost two processes and seconds of work for nothing. So after some
failures starts are refused for a while, longer each time. When the profile's home, its settings or
Hermes change, the next start is allowed at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

#: Number of failures after which starts are refused for a while; a single one may be chance.
_FREE = 2

#: Seconds of the first and of the longest pause; each pause varies by this part of its length.
_FIRST, _LONGEST, _JITTER = 2.0, 60.0, 0.2


class StartBackoff:
    """Counts the failed starts of one profile's workers, and says when the next is allowed.

    The pool keeps one a profile. ``why`` is the reason of the last failure, for people. ``clock``
    returns monotonic seconds, ``chance`` a number between 0 and 1.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.why = ""
        self._clock, self._chance = clock, chance
        self._count = 0
        self._until = 0.0
        self._seen: object = None

    @property
    def doubtful(self) -> bool:
        """True if two or more starts in a row failed: the pool then asks :meth:`wait` first."""
        return self._count >= _FREE

    def failed(self, why: str, seen: object) -> None:
        """Count a failed start: the worker ended before it was ready. ``why`` is its reason.

        ``seen`` is any value that stands for the profile's files and settings now. If it differs
        from the last failure's, something was changed, and this failure counts as the first.
        """
        self._count = self._count + 1 if self._seen in (None, seen) else 1
        self.why, self._seen = why, seen
        self._until = self._clock() + self._pause()

    def succeeded(self) -> None:
        """Forget the failures, so that :meth:`wait` allows the next start at once."""
        self._count, self._seen = 0, None

    def wait(self, seen: object) -> float:
        """Return for how many seconds no start is allowed; 0 allows one start.

        A refused message gets a notice with these seconds. If ``seen`` differs from the last
        failure's, something was changed, and the failures are forgotten.
        """
        if not self.doubtful:
            return 0.0
        if seen != self._seen:
            self.succeeded()
            return 0.0
        left = self._until - self._clock()
        if left > 0:
            return left
        self._until = self._clock() + self._pause()
        return 0.0

    def _pause(self) -> float:
        doubled = _FIRST * 2.0 ** min(max(self._count - _FREE, 0), 16)
        return min(_LONGEST, doubled) * (1 + _JITTER * (2 * self._chance() - 1))
