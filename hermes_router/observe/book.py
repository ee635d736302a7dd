"""Note the outcome of each routed turn: a record, a line in the gateway's log, and figures."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from hermes_router.observe.records import Records
from hermes_router.relay.delivery_policy import spelled
from hermes_router.routing.table import Place
from hermes_router.turns.story import OUTCOMES, TurnReport, new_turn_id, wall_clock
from hermes_router.workers.worker_log import one_line

logger = logging.getLogger("hermes_router.turns")

#: Failures that no other line of the gateway's log tells. A turn logs those of its worker itself.
_TOLD_HERE_ALONE = frozenset(
    {
        *("model_failed", "no_model", "hermes_failed", "router_failed", "job_failed"),
        *("unusable", "refused", "cut_off"),
    }
)


class TurnBook:
    """Writes each report of a turn to the records and to the log, and calls the listeners.

    The turns of a gateway report to it. ``route_of`` returns the name of the route that answers a
    place.
    """

    def __init__(self, records: Records, route_of: Callable[[Place], str]) -> None:
        self._records = records
        self._route_of = route_of
        self._listeners: list[Callable[[TurnReport], None]] = []

    def listen(self, listener: Callable[[TurnReport], None]) -> None:
        """Call ``listener`` from now on with one report for each answer, or message without one.

        It is not called again when the worker of an answered message has ended.
        """
        self._listeners.append(listener)

    def note(self, report: TurnReport, place: Place | None) -> None:
        """Record the report of a turn, log its outcome, and call the listeners.

        ``place`` is that of the message, None for a job. This never raises: a failure is logged.
        """
        try:
            self._note(report, place)
        except Exception:  # boundary: observation must not end a turn
            logger.exception("the record of turn %s could not be written", report.turn)

    def untouched(self, profile: str, place: Place, outcome: str, error: str) -> str:
        """Record that no worker got a message; return the id for its notice.

        The logs name the message by this id, too. ``outcome`` is one of ``OUTCOMES``, for example
        ``refused``.
        """
        report = _unanswered(profile, place, outcome, error)
        self.note(report, place)
        return report.turn

    def cut_off(self, turn: str, profile: str, place: Place, error: str) -> str:
        """Record that an earlier gateway's end left a message without an answer; return the id.

        ``turn`` is the id of the turn that was given the message; with "" there was none, and this
        makes an id. ``error`` says how far the message had come.
        """
        report = _unanswered(profile, place, "cut_off", error)
        if turn:
            report.turn, report.number, report.exit = turn, 0, "unknown"
        self.note(report, place)
        return report.turn

    def _note(self, report: TurnReport, place: Place | None) -> None:
        report.route = self._route_of(place) if place is not None else ""
        self._records.add(report)
        if report.seconds is not None and report.exit is not None:
            return  # it was noted when the answer was delivered
        _log(report)
        for listener in self._listeners:
            listener(report)


def _unanswered(profile: str, place: Place, outcome: str, error: str) -> TurnReport:
    return TurnReport(
        turn=new_turn_id(),
        profile=profile,
        place=spelled(place),
        at=wall_clock(time.monotonic()),
        outcome=outcome,
        error=one_line(error, 300),
        exit="none",
    )


def _log(report: TurnReport) -> None:
    where = report.place or report.session
    seconds = "" if report.seconds is None else f" in {report.seconds:.2f} s"
    what = f"{OUTCOMES.get(report.outcome, report.outcome)}{seconds}"
    if report.messages > 1:
        what += f", {report.messages} messages"
    if report.fallback:
        what += f", by the fallback {report.model}"
    if report.error:
        what += f": {report.error}"
    warns = report.fallback or report.outcome in _TOLD_HERE_ALONE
    level = logging.WARNING if warns else logging.INFO
    who = report.profile or "nobody"
    logger.log(level, "turn %s %s -> %s (%s): %s", report.turn, where, who, report.start, what)
