"""The report of a turn: its outcome, times, model and cost, for status, metrics and records.

The outcome is one word of :data:`OUTCOMES`. No text of a message is in a report.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from hermes_router.base.errors import (
    ProfileError,
    RouterError,
    WorkerOverLimit,
    WorkerStartError,
    WorkerTimeout,
    WrongVersion,
)
from hermes_router.protocol import messages as msg
from hermes_router.relay.delivery_policy import Sender, spelled
from hermes_router.routing.table import Place
from hermes_router.workers.worker_log import one_line

if TYPE_CHECKING:
    from hermes_router.profiles.model import Profile

#: Maximum number of characters of an error, and of a name that a worker chose.
_ERROR, _NAME = 300, 100

#: Each outcome, explained in words for people.
OUTCOMES = {
    "answered": "answered",
    "interrupted": "interrupted by a person",
    "stopped": "the gateway asked the worker to end",
    "model_failed": "the model failed",
    "no_model": "there is no key or no model",
    "hermes_failed": "Hermes failed",
    "start_failed": "its worker could not be started",
    "timeout": "it took longer than allowed",
    "limit": "it used more than allowed",
    "worker_failed": "its worker failed",
    "unusable": "its profile cannot be used",
    "refused": "it was not accepted",
    "router_failed": "the router failed",
    "cut_off": "the gateway was interrupted",
    "job_failed": "the job failed",
}

#: The outcomes after which the person did not get the answer.
FAILED = frozenset(
    {
        *("model_failed", "no_model", "start_failed", "timeout", "limit", "worker_failed"),
        *("hermes_failed", "router_failed", "cut_off", "unusable", "refused", "job_failed"),
    }
)


def new_turn_id() -> str:
    """Return the id of a new turn: eight hexadecimal digits."""
    return uuid.uuid4().hex[:8]


class TurnReport(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The report of one answer in a conversation, of a message without an answer, or of a cron job.

    Attributes:
        turn: the id of the turn.
        kind: ``message`` or ``cron``.
        messages: how many messages the worker accepted for this answer.
        number: counts the answers of one turn from 1: a resident worker answers several times.
            0 if only the next gateway could say what became of a message of the turn.
        at: when the message arrived, ISO 8601 in UTC. ``seconds`` is how long its answer took.
            For number 0, when people were told.
        start: ``prepared`` or ``cold``; ``resident`` if the worker had answered before; ``none`` if
            there was no worker.
        outcome: ``answered``, ``interrupted``, ``stopped``, or one of ``FAILED``.
        error: why the turn failed, in one line.
        fallback: True if the configured model did not answer; ``model`` is the one that answered.
        calls: requests to the model. ``cost`` is in US dollars, None if it is unknown.
        phases: for each phase, the seconds since the turn began, as in the worker log. If
            ``number`` is above 1, the seconds since the message was accepted.
        exit: how the worker's process ended; None while it is alive.
        failure: the worker's error after the answer was delivered.
    """

    turn: str
    number: int = 1
    profile: str = ""
    kind: str = "message"
    place: str = ""
    route: str = ""
    session: str = ""
    hermes_session: str = ""
    at: str = ""
    start: str = "none"
    messages: int = 0
    outcome: str = ""
    error: str = ""
    failure: str = ""
    model: str = ""
    provider: str = ""
    fallback: bool = False
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    seconds: float | None = None
    phases: dict[str, float] = {}
    exit: str | None = None

    @property
    def failed(self) -> bool:
        """True if the person got no answer, or the worker failed after the answer."""
        return self.outcome in FAILED or bool(self.failure)


Note = Callable[[TurnReport, Place | None], None]
"""A function that gets the report of a turn, and the place of its message (None for a job)."""


def note_nothing(_report: TurnReport, _place: Place | None) -> None:
    """Do nothing with the report of a turn: a :data:`Note` for a turn that nobody observes."""


class _Conversation(Protocol):
    key: str
    profile: Profile

    @property
    def sender(self) -> Sender: ...


class Story:
    """Collects the report of one turn, and passes it to ``note`` at each answer and at the end.

    The turn and its worker session call each method at the step that it names. ``start`` is how the
    worker came to the turn, as in :class:`TurnReport`.
    """

    def __init__(
        self, turn_id: str, conversation: _Conversation, *, received: float, note: Note
    ) -> None:
        self.start = "none"
        self._conversation = conversation
        self._turn = turn_id
        self._note = note
        self._number = 0
        self._told = True
        self._report = self._begun(received)

    def accepted(self) -> None:
        """Count one more message that the worker accepted for the current report.

        If that report was passed on already, this begins the next one.
        """
        if self._told:
            self._report = self._begun(time.monotonic())
        self._report.messages += 1

    def reached(self, phase: str) -> None:
        """Note when the current answer reached ``phase``, say ``reply``; the first time counts."""
        self._reached.setdefault(phase, time.monotonic() - self._since)

    def ran(self, result: msg.RunResult) -> None:
        """Add the result of one run of the agent, which the worker has sent, to the report.

        Requests, tokens and cost are added up. The outcome and error of the last result count, and
        the model and session that were named last: a later run that fails may name none.
        """
        report = self._report
        report.outcome = result.outcome
        report.error = one_line(result.error, _ERROR)
        if result.model:
            report.model, report.provider = _name(result.model), _name(result.provider)
        report.fallback |= result.fallback
        report.calls += max(0, result.calls)
        report.input_tokens += max(0, result.input_tokens)
        report.output_tokens += max(0, result.output_tokens)
        if result.cost is not None:
            report.cost = (report.cost or 0.0) + result.cost
        report.hermes_session = _name(result.session) or report.hermes_session

    def replied(self, phases: Mapping[str, float], *, cut_off: bool = False) -> None:
        """Pass the report on, because the answer is delivered and the state is saved.

        With ``cut_off`` the gateway's stop interrupted the answer. ``phases`` has the seconds since
        the turn began for each phase. If the report was passed on already, this does nothing.
        """
        report = self._report
        if self._told or report.seconds is not None:
            return
        report.seconds = round(time.monotonic() - self._since, 3)
        report.outcome = "stopped" if cut_off else report.outcome or "answered"
        self._tell(phases)
        self._told = True

    def forget(self) -> None:
        """Pass on no more reports of this turn.

        Either its message goes to another worker, whose turn reports it, or it is a job of which
        people need no report.
        """
        self._note = note_nothing

    def ended(
        self,
        failure: RouterError | None,
        exit_: str,
        phases: Mapping[str, float],
        *,
        reason: str = "",
    ) -> None:
        """Complete the report and pass it on, because the worker has ended.

        ``exit_`` says how its process ended. ``reason`` is why the gateway ended the worker, or "".
        If no answer was delivered before, this decides the outcome.
        """
        report = self._report
        report.exit = exit_
        if report.seconds is None:
            report.outcome, error = _outcome(failure, reason, report.outcome)
            report.error = one_line(error or report.error, _ERROR)
        elif failure is not None:
            report.failure = one_line(failure.message, _ERROR)
        self._tell(phases)

    def job_ended(self, kind: str, outcome: str, detail: str) -> None:
        """Put the result of a job into the report; :meth:`replied` or :meth:`ended` passes it on.

        ``JobRun`` calls this when the worker has sent the result. A job whose ``outcome`` is not
        ``done`` has failed, with ``detail`` as its error.
        """
        done = outcome == "done"
        self._report.kind = kind
        self._report.outcome = "answered" if done else "job_failed"
        self._report.error = "" if done else one_line(detail, _ERROR)

    def summary(self) -> dict[str, object]:
        """Return outcome, model and error, for the last line about the turn in the worker log."""
        report = self._report
        fields: dict[str, object] = {"outcome": report.outcome}
        if report.model:
            fields["model"] = report.model
        if report.fallback:
            fields["fallback"] = "yes"
        if report.error:
            fields["error"] = report.error
        return fields

    @property
    def report(self) -> TurnReport:
        """The current report, which may not be complete yet."""
        return self._report

    @property
    def seconds(self) -> float:
        """Seconds since the message of the current report arrived."""
        return time.monotonic() - self._since

    def phases(self, of_turn: Mapping[str, float]) -> Mapping[str, float]:
        """Return the phases of the current answer, each with the seconds since it began.

        ``of_turn`` are those of the whole turn; they are returned for the turn's first answer.
        """
        return of_turn if self._number == 1 else self._reached

    def _begun(self, received: float) -> TurnReport:
        self._since, self._told = received, False
        self._reached: dict[str, float] = {}
        self._number += 1
        origin = self._conversation.sender.origin
        return TurnReport(
            turn=self._turn,
            number=self._number,
            profile=self._conversation.profile.name,
            place="" if origin is None else spelled(origin),
            session=self._conversation.key,
            at=wall_clock(received),
        )

    def _tell(self, phases: Mapping[str, float]) -> None:
        self._report.start = self.start if self._number == 1 else "resident"
        reached = self.phases(phases)
        self._report.phases = {name: round(seconds, 3) for name, seconds in reached.items()}
        self._note(msgspec.structs.replace(self._report), self._conversation.sender.origin)


def wall_clock(moment: float) -> str:
    """Return a monotonic time as a date and time in UTC, ISO 8601 with milliseconds."""
    when = datetime.fromtimestamp(time.time() - (time.monotonic() - moment), UTC)
    return when.isoformat(timespec="milliseconds")


def _name(text: str) -> str:
    return one_line(text, _NAME)


def _outcome(failure: RouterError | None, reason: str, run: str) -> tuple[str, str]:
    """Return the outcome and the error of a message whose answer was not delivered.

    ``run`` is the outcome of the agent's run, if there was one.
    """
    if failure is None:
        return (run or "stopped", reason) if reason else (run or "worker_failed", "")
    kinds: dict[type[RouterError], str] = {
        ProfileError: "unusable",
        WorkerOverLimit: "limit",
        WorkerTimeout: "timeout",
        WorkerStartError: "start_failed",
        WrongVersion: "start_failed",
    }
    kind = next((name for cls, name in kinds.items() if isinstance(failure, cls)), "worker_failed")
    return kind, failure.message
