"""A thread-safe log that a test can wait on, without polling."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Journal(Generic[T]):
    """Entries in order of arrival. One condition guards them and whatever state they describe."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._entries: list[T] = []

    def add(self, entry: T) -> None:
        """Append an entry and wake all waiters."""
        with self.changed:
            self._entries.append(entry)
            self.changed.notify_all()

    def touch(self) -> None:
        """Wake all waiters: something that they may look at has changed."""
        with self.changed:
            self.changed.notify_all()

    def all(self) -> list[T]:
        """Return a copy of all entries."""
        with self.changed:
            return list(self._entries)

    def wait(self, probe: Callable[[], R | None], timeout: float, failure: Callable[[], str]) -> R:
        """Return the first result of `probe` that is not None.

        The probe runs now and after each change, with the journal locked. Raises TimeoutError
        with the text of `failure()` after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        with self.changed:
            while (found := probe()) is None:
                left = deadline - time.monotonic()
                if left <= 0 or not self.changed.wait(left):
                    if (found := probe()) is not None:
                        break
                    raise TimeoutError(failure())
            return found

    def wait_quiet(
        self, quiet: float, timeout: float, counts: Callable[[T], bool], failure: Callable[[], str]
    ) -> None:
        """Return once no entry for which `counts` holds has been added for `quiet` seconds.

        Raises TimeoutError with the text of `failure()` when that does not happen in time.
        """
        deadline = time.monotonic() + timeout
        with self.changed:
            seen, since = self._count(counts), time.monotonic()
            while (now := time.monotonic()) - since < quiet:
                if now >= deadline:
                    raise TimeoutError(failure())
                self.changed.wait(min(quiet - (now - since), deadline - now))
                if (count := self._count(counts)) != seen:
                    seen, since = count, time.monotonic()

    def _count(self, counts: Callable[[T], bool]) -> int:
        return sum(1 for entry in self._entries if counts(entry))
