"""What the gateway notes of each routed turn: a record, a line in its log, today's figures."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable

from hermes_router.observe.records import Records
from hermes_router.relay.delivery_policy import spelled
from hermes_router.routing.table import Place
from hermes_router.turns.story import OUTCOMES, TurnReport, wall_clock
from hermes_router.workers.worker_log import one_line

logger = logging.getLogger("hermes_router.turns")

#: Failures of which no other line of the gateway's log speaks: the turn itself went its way.
_SAID_HERE_ALONE = frozenset({"model_failed", "no_model", "job_failed"})


class TurnBook:
    """Notes what came of turns. ``route_of`` says by which route a place is answered now."""

    def __init__(self, records: Records, route_of: Callable[[Place], str]) -> None:
        self._records = records
        self._route_of = route_of
        self._listeners: list[Callable[[TurnReport], None]] = []

    def listen(self, listener: Callable[[TurnReport], None]) -> None:
        """Have ``listener`` told of each report that counts a turn: of each turn once."""
        self._listeners.append(listener)

    def note(self, report: TurnReport, place: Place | None) -> None:
        """Note what came of a turn; never raises, whatever is in the report."""
        try:
            self._note(report, place)
        except Exception:  # boundary: what watches a turn must not end it
            logger.exception("turn %s could not be noted", report.turn)

    def untouched(self, profile: str, place: Place, outcome: str, error: str) -> str:
        """Note a message that no worker got; return the id by which it is found."""
        report = TurnReport(
            turn=uuid.uuid4().hex[:8],
            profile=profile,
            place=spelled(place),
            at=wall_clock(time.monotonic()),
            outcome=outcome,
            error=one_line(error, 300),
            exit="none",
        )
        self.note(report, place)
        return report.turn

    def _note(self, report: TurnReport, place: Place | None) -> None:
        report.route = self._route_of(place) if place is not None else ""
        self._records.add(report)
        if report.seconds is not None and report.exit is not None:
            return  # it was told when the answer was out
        _log(report)
        for listener in self._listeners:
            listener(report)


def _log(report: TurnReport) -> None:
    where = report.place or report.session
    seconds = "" if report.seconds is None else f" in {report.seconds:.2f} s"
    what = f"{OUTCOMES.get(report.outcome, report.outcome)}{seconds}"
    if report.fallback:
        what += f", by the fallback {report.model}"
    if report.error:
        what += f": {report.error}"
    level = (
        logging.WARNING if report.fallback or report.outcome in _SAID_HERE_ALONE else logging.INFO
    )
    logger.log(
        level, "turn %s %s -> %s (%s): %s", report.turn, where, report.profile, report.start, what
    )
