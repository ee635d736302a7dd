"""Write the lines of one turn to the worker log, with the time of each phase."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping

import anyio.to_thread

from hermes_router.base.errors import ProtocolError
from hermes_router.workers.process import WorkerOrder, open_log
from hermes_router.workers.worker_log import one_line, write_line

logger = logging.getLogger(__name__)

#: A phase name that a worker may choose, and how many phases the log accepts.
_PHASE = re.compile(r"[a-z][a-z0-9_.]{0,31}")
_MOST_PHASES = 32


class TurnLog:
    """Writes the lines of a turn into its profile's worker log.

    ``phases`` has the seconds from the turn's begin to each phase, by name. ``received`` is when
    the message arrived, in monotonic seconds.
    """

    def __init__(self, turn_id: str, *, received: float) -> None:
        self._turn_id = turn_id
        self._begun = time.monotonic()
        self._descriptor = -1
        self._as_json = False
        self._incomplete = False
        self.phases = {"queue": self._begun - received}

    @property
    def age(self) -> float:
        """Seconds since the turn began, which is when this object was made."""
        return time.monotonic() - self._begun

    async def open(self, order: WorkerOrder) -> None:
        """Open the profile's worker log.

        Raises:
            ProfileError: the home cannot be used, or the log cannot be written.
        """
        self._as_json = order.log.as_json
        self._descriptor = await anyio.to_thread.run_sync(open_log, order)

    def reached(self, phase: str) -> None:
        """Note in ``phases`` that the turn has reached a phase now; only the first time counts."""
        self.phases.setdefault(phase, time.monotonic() - self._begun)

    def ready(self, steps: Mapping[str, float]) -> None:
        """Note in ``phases`` that the worker is ready, and how long each part of its start took.

        ``steps`` are the seconds of each part, as the worker has measured them.

        Raises:
            ProtocolError: a name is not allowed, or there are too many phases.
        """
        for name, seconds in steps.items():
            step = f"ready.{name}"
            self._check(step)
            self.phases.setdefault(step, seconds)
        self.reached("ready")

    def _check(self, phase: str) -> None:
        if _PHASE.fullmatch(phase) is None or len(self.phases) >= _MOST_PHASES:
            raise ProtocolError(f"the worker named a phase {one_line(repr(phase), 100)}")

    def line(self, what: str, fields: Mapping[str, object]) -> None:
        """Write one line about the turn; do nothing if the log is not open.

        If the disk is full, the line is lost, but the turn goes on. The gateway's log says so once
        a turn.
        """
        if self._descriptor < 0:
            return
        fields = {"turn": self._turn_id, **fields}
        try:
            write_line(self._descriptor, what, fields, as_json=self._as_json)
        except OSError as error:
            if not self._incomplete:
                logger.warning(
                    "turn %s: lines are missing from the worker log: %s", self._turn_id, error
                )
            self._incomplete = True

    def end(self, fields: Mapping[str, object]) -> None:
        """Write the turn's last line, with all phases."""
        self.line("end", {**fields, **self.phases})

    def close(self) -> None:
        """Close the log."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
