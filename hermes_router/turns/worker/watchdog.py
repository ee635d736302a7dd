"""The time limits and resource limits of one worker, and the errors when it exceeds them."""

from __future__ import annotations

import time

from hermes_router.base.errors import WorkerOverLimit, WorkerTimeout
from hermes_router.config.settings import Settings
from hermes_router.protocol.limits import limit_of
from hermes_router.turns.worker.worker_state import WorkerState

#: Seconds beyond ``timeouts.post_turn`` in which a worker may still leave by itself.
_POST_TURN_MORE = 10.0


class Watchdog:
    """Measures how long one worker takes, and compares that with the limits of its profile.

    The worker session calls :meth:`heard` for any message of the worker, and :meth:`said` for one
    that people see.
    """

    def __init__(self, settings: Settings) -> None:
        self._times = settings.timeouts
        self._limits = settings.limits
        self.begin()

    @property
    def step(self) -> float:
        """Seconds that the caller should wait between two calls of :meth:`check`, at most 1."""
        times = (self._times.start, self._times.silence, self._times.turn)
        return min(1.0, *(limit / 4 for limit in times if limit))

    def begin(self) -> None:
        """Begin to measure all limits anew, because the worker's process has been started."""
        self._begun = self._heard = self._said = self._released = time.monotonic()

    def heard(self) -> None:
        """Begin to measure ``timeouts.silence`` anew, because the worker has sent a message."""
        self._heard = time.monotonic()

    def said(self) -> None:
        """Begin to measure ``timeouts.idle`` anew, because the worker sends something to people."""
        self._said = time.monotonic()

    def released(self) -> None:
        """Begin to measure ``timeouts.resident`` and ``timeouts.post_turn`` anew.

        The worker session calls this when all is answered, and when the worker accepts no more
        messages.
        """
        self._released = time.monotonic()

    def check(self, state: WorkerState, *, held_up: bool) -> None:
        """Raise an error if the worker has taken longer than its profile allows in ``state``.

        The worker session calls this every ``step`` seconds. With ``held_up`` the gateway reads
        none of the worker's messages, because running calls wait for a platform; the worker then
        does not count as silent.

        Raises:
            WorkerTimeout: the worker was silent too long, or exceeded the limit of its phase.
        """
        now = time.monotonic()
        if state is WorkerState.STARTING:
            if now - self._begun > self._times.start:
                raise self._timeout("start")
        elif held_up:
            self._heard = now
        elif now - self._heard > self._times.silence:
            raise self._timeout("silence")
        if state.answered:
            self._check_the_rest(now, taking=state.takes_messages)
        elif self._times.turn and now - self._begun > self._times.turn:
            raise self._timeout("turn")

    def _check_the_rest(self, now: float, *, taking: bool) -> None:
        """Raise ``WorkerTimeout`` if an answered worker stays idle, or stays too long."""
        times = self._times
        if taking and times.idle and now - self._said > times.idle:
            raise self._timeout("idle")
        if taking and 0 < times.resident < now - self._released:
            raise self._timeout("resident")
        if not taking and now - self._released > times.post_turn + _POST_TURN_MORE:
            raise self._timeout("post_turn")

    def _timeout(self, phase: str) -> WorkerTimeout:
        seconds: float = getattr(self._times, phase)
        return WorkerTimeout(
            f"the worker exceeded timeouts.{phase}, {seconds:g} s", phase=phase, seconds=seconds
        )

    def check_output(self, size: int) -> None:
        """Raise an error if ``size``, the bytes of all calls of the worker so far, is too much.

        The worker session calls this before each call.

        Raises:
            WorkerOverLimit: it is more than ``limits.output_bytes``.
        """
        if 0 < self._limits.output_bytes < size:
            raise self._over("output_bytes")

    def over_limit(self, returncode: int | None) -> WorkerOverLimit | None:
        """Return an error if the worker's process tree was ended because it exceeded a limit.

        The exit status of the supervisor, ``returncode``, says which limit it was. Returns None if
        it was none.
        """
        limit = limit_of(returncode)
        return None if limit is None else self._over(limit)

    def _over(self, limit: str) -> WorkerOverLimit:
        allowed = getattr(self._limits, limit)
        return WorkerOverLimit(
            f"the worker exceeded limits.{limit}, {allowed:.0f}", limit=limit, allowed=allowed
        )
