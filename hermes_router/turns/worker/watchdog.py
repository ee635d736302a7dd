"""How long a worker may take and how much it may use, and which error it is when it goes beyond."""

from __future__ import annotations

import time

from hermes_router.config.settings import Settings
from hermes_router.errors import WorkerOverLimit, WorkerTimeout
from hermes_router.protocol.limits import limit_of
from hermes_router.turns.worker.worker_state import WorkerState

#: Seconds that a worker gets on top of its post-turn time, to keep to it by itself.
_POST_TURN_MORE = 10.0


class Watchdog:
    """The clocks of one worker, and the limits of its profile.

    Whoever reads the worker's messages says what they mean for the clocks: :meth:`heard`, any sign
    of life; :meth:`said`, something for people.
    """

    def __init__(self, settings: Settings) -> None:
        self._times = settings.timeouts
        self._limits = settings.limits
        self._begun = self._heard = self._said = self._released = time.monotonic()

    @property
    def step(self) -> float:
        """Seconds between two looks at the clocks."""
        times = (self._times.start, self._times.silence, self._times.turn)
        return min(1.0, *(limit / 4 for limit in times if limit))

    def heard(self) -> None:
        """Note a sign of life."""
        self._heard = time.monotonic()

    def said(self) -> None:
        """Note that the worker says something to people."""
        self._said = time.monotonic()

    def released(self) -> None:
        """Note that the lane is free, or that the worker takes nothing more."""
        self._released = time.monotonic()

    def check(self, state: WorkerState, *, held_up: bool) -> None:
        """Raise ``WorkerTimeout`` for a worker that is silent, or takes too long.

        ``held_up``: it is not listened to before the platform has done its part.
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
        """End what stays after the answer: idle residents, and who does not leave by itself."""
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
        """Raise ``WorkerOverLimit`` if ``size`` bytes are more than a worker may say."""
        if 0 < self._limits.output_bytes < size:
            raise self._over("output_bytes")

    def over_limit(self, returncode: int | None) -> WorkerOverLimit | None:
        """Return the error if a supervisor's return code says that a limit ended the tree."""
        limit = limit_of(returncode)
        return None if limit is None else self._over(limit)

    def _over(self, limit: str) -> WorkerOverLimit:
        allowed = getattr(self._limits, limit)
        return WorkerOverLimit(
            f"the worker exceeded limits.{limit}, {allowed:.0f}", limit=limit, allowed=allowed
        )
