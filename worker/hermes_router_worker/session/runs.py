"""Count the threads in which Hermes's agents run, and note whether one was told to stop.

Hermes runs an agent in a thread. ``/stop`` interrupts the agent and frees the session at once, but
a tool that does not check for interruptions goes on. This module counts the threads that really
run. A worker is not idle before they have ended, and the gateway ends the worker if that takes too
long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.patching import follow
from hermes_router_worker.hermes.session import questions

_in_turn: ContextVar[bool] = ContextVar("in_turn", default=False)
_thread = threading.local()


class Runs:
    """Counts the agent threads of one runner's turns, without those of ``/background``.

    It patches the runner when it is made. In a Hermes that lacks the patched functions, no thread
    is counted.
    """

    def __init__(self, runner: Any) -> None:
        self._running = 0
        self._halted = False
        self._lock = threading.Lock()
        self._counts = replacements.RUN_IN_EXECUTOR.present()
        follow(replacements.RUN_AGENT, runner, self._marking)
        follow(replacements.RUN_IN_EXECUTOR, runner, self._counting)
        follow(replacements.INTERRUPT_SESSION, runner, self._halting)

    def in_turn_thread(self) -> bool:
        """Return True in the thread of a turn's agent, and not in that of a sub-agent or a review.

        It decides whether a request to the model belongs to the turn. If this Hermes lacks the
        patched function, it is True in each thread.
        """
        return getattr(_thread, "in_turn", not self._counts)

    def any(self) -> bool:
        """Return True while the agent of a turn runs in a thread.

        After ``/stop``, Hermes frees the session at once, but the thread may go on.
        """
        return self._running > 0

    def take_halted(self) -> bool:
        """Return True if Hermes has stopped the session's run since the last call, as by ``/stop``.

        The receiver tells the gateway, which ends the worker if its agent does not stop.
        """
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
            _thread.in_turn = True
            try:
                return run(*args)
            finally:
                _thread.in_turn = False
                with self._lock:
                    self._running -= 1

        return counted

    async def _halting(
        self, original: Callable[..., Any], session_key: str, *args: Any, **kwargs: Any
    ) -> Any:
        self._halted = True
        try:
            return await original(session_key, *args, **kwargs)
        finally:
            questions.let_go(session_key)
