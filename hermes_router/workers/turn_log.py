"""What the worker log says of one turn: its lines, and when it reached which phase."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping

import anyio.to_thread

from hermes_router.errors import ProtocolError
from hermes_router.workers.process import WorkerOrder, open_log
from hermes_router.workers.worker_log import one_line, write_line

#: What a worker may call a moment or a step, and how many of them the log takes.
_PHASE = re.compile(r"[a-z][a-z0-9_.]{0,31}")
_MOST_PHASES = 32


class TurnLog:
    """The lines of a turn, and its phases: each with its seconds since the turn began."""

    def __init__(self, turn_id: str, *, received: float) -> None:
        self._turn_id = turn_id
        self._begun = time.monotonic()
        self._descriptor = -1
        self._as_json = False
        self.phases = {"queue": self._begun - received}

    @property
    def age(self) -> float:
        """Seconds since the turn began."""
        return time.monotonic() - self._begun

    async def open(self, order: WorkerOrder) -> None:
        """Open the profile's worker log; raises ``ProfileError``."""
        self._as_json = order.log.as_json
        self._descriptor = await anyio.to_thread.run_sync(open_log, order)

    def reached(self, phase: str) -> None:
        """Note that a phase is reached, the first time that it is."""
        self.phases.setdefault(phase, time.monotonic() - self._begun)

    def marked(self, phase: str) -> None:
        """Note a phase that the worker named; raises ``ProtocolError`` on a bad name."""
        self._check(phase)
        self.reached(phase)

    def ready(self, steps: Mapping[str, float]) -> None:
        """Note that the worker is ready, and its own steps to there; raises ``ProtocolError``."""
        for name, seconds in steps.items():
            step = f"ready.{name}"
            self._check(step)
            self.phases.setdefault(step, seconds)
        self.reached("ready")

    def _check(self, phase: str) -> None:
        if _PHASE.fullmatch(phase) is None or len(self.phases) >= _MOST_PHASES:
            raise ProtocolError(f"the worker named a phase {one_line(repr(phase), 100)}")

    def line(self, what: str, fields: Mapping[str, object]) -> None:
        """Write one line; nothing where the log could not be opened."""
        if self._descriptor >= 0:
            fields = {"turn": self._turn_id, **fields}
            write_line(self._descriptor, what, fields, as_json=self._as_json)

    def end(self, fields: Mapping[str, object]) -> None:
        """Write the turn's last line, with all phases."""
        self.line("end", {**fields, **self.phases})

    def close(self) -> None:
        """Close the log."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
