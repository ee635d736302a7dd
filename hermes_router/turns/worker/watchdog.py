"""The time limits and resource limits of one worker, and the errors when it exceeds them."""

from __future__ import annotations

import time

from hermes_router.config.settings import Settings
from hermes_router.errors import WorkerOverLimit, WorkerTimeout
from hermes_router.protocol.limits import limit_of
from hermes_router.turns.worker.worker_state import WorkerState

#: Seconds beyond ``timeouts.post_turn`` in which a worker may still leave by itself.
_POST_TURN_MORE = 10.0


class Watchdog:
    """The clocks of one worker, and the limits of its profile.

    The reader of the worker's messages calls :meth:`heard` for any message, and :meth:`said` for a
    message that is shown to people.
    """

    def __init__(self, settings: Settings) -> None:
        self._times = settings.timeouts
        self._limits = settings.limits
        self._begun = self._heard = self._said = self._released = time.monotonic()

    @property
    def step(self) -> float:
        """Seconds between two checks of the clocks."""
        times = (self._times.start, self._times.silence, self._times.turn)
        return min(1.0, *(limit / 4 for limit in times if limit))

    def heard(self) -> None:
        """Note a sign of life."""
        self._heard = time.monotonic()

    def said(self) -> None:
        """Note that the worker sends something to people."""
        self._said = time.monotonic()

    def released(self) -> None:
        """Note that all is answered, or that the worker accepts no more messages."""
        self._released = time.monotonic()

    def check(self, state: WorkerState, *, held_up: bool) -> None:
        """Check the clocks of a worker in ``state``.

        With ``held_up`` the gateway does not read the worker's messages until a platform has done
        the running calls; the worker then does not count as silent.

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
        """Check the ``size`` bytes of all calls that the worker has sent.

        Raises:
            WorkerOverLimit: these are more than ``limits.output_bytes``.
        """
        if 0 < self._limits.output_bytes < size:
            raise self._over("output_bytes")

    def over_limit(self, returncode: int | None) -> WorkerOverLimit | None:
        """Return the error if the supervisor's exit status says that a limit ended the tree."""
        limit = limit_of(returncode)
        return None if limit is None else self._over(limit)

    def _over(self, limit: str) -> WorkerOverLimit:
        allowed = getattr(self._limits, limit)
        return WorkerOverLimit(
            f"the worker exceeded limits.{limit}, {allowed:.0f}", limit=limit, allowed=allowed
        )
