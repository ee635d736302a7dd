"""The threads in which Hermes's agents run, and whether one of them was told to stop.

Hermes runs an agent in a thread. ``/stop`` interrupts it and frees the session at once; a tool that
does not look for interruptions goes on behind. Here is counted what really runs: a worker is not
idle before that has ended, and the gateway ends it if that takes too long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from hermes_router_worker.hermes.follow import follow

_in_turn: ContextVar[bool] = ContextVar("in_turn", default=False)


class Runs:
    """Counts the agent threads of one runner's turns; those of ``/background`` are not among them.

    A Hermes without these seams has its threads uncounted.
    """

    def __init__(self, runner: Any) -> None:
        self._running = 0
        self._halted = False
        self._lock = threading.Lock()
        follow(runner, "_run_agent", self._marking)
        follow(runner, "_run_in_executor_with_context", self._counting)
        follow(runner, "_interrupt_and_clear_session", self._halting)

    def any(self) -> bool:
        """Say whether an agent of a turn runs."""
        return self._running > 0

    def take_halted(self) -> bool:
        """Say whether a run has been interrupted for good since this was last asked."""
        halted, self._halted = self._halted, False
        return halted

    async def _marking(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        token = _in_turn.set(True)
        try:
            return await original(*args, **kwargs)
        finally:
            _in_turn.reset(token)

    async def _counting(
        self, original: Callable[..., Any], run: Callable[..., Any], *args: Any
    ) -> Any:
        return await original(self._counted(run) if _in_turn.get() else run, *args)

    def _counted(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            with self._lock:
                self._running += 1
            try:
                return run(*args)
            finally:
                with self._lock:
                    self._running -= 1

        return counted

    async def _halting(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._halted = True
        return await original(*args, **kwargs)
