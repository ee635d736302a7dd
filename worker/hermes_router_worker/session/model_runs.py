"""The result of each run of the session's agent: which model answered, at what cost, or failed.

If the model fails, or Hermes itself does before or after the agent's run, Hermes still answers the
person, with a sentence that says so. For the platform, that is an answer like any other. So this
module reads what Hermes itself knows, and adds the turn's id to the sentence:
``hermes-router logs --turn ID`` finds the cause.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from hermes_router.protocol import messages as msg
from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.patching import follow
from hermes_router_worker.hermes.session.failures import failure_in
from hermes_router_worker.hermes.session.queues import fell_back
from hermes_router_worker.hermes.session.secrets import redacted
from hermes_router_worker.session.logged_errors import described, last_logged_error
from hermes_router_worker.session.turn_mark import mark_next_text, with_id

_ERROR_CHARACTERS = 300
_FAILURES = ("model_failed", "no_model", "hermes_failed")

#: The first says whether this context belongs to a turn, the second whether its agent already runs.
_in_turn: ContextVar[bool] = ContextVar("hermes_router_turn", default=False)
_in_run: ContextVar[bool] = ContextVar("hermes_router_run", default=False)


class ModelRuns:
    """Reports each run of the runner's agents: which model answered, at what cost, or failed.

    It calls ``tell`` with the result, from any thread. Agents that an agent starts itself, and
    those of ``/background``, do not count. In a Hermes that lacks the patched functions, fewer
    results are reported.
    """

    def __init__(self, runner: Any, tell: Callable[[msg.RunResult], None]) -> None:
        self._tell = tell
        self._told = 0
        self._failures = 0
        follow(replacements.JUDGE_TURN, runner, self._turn)
        replacements.JUDGE_RUN.replace(self._watched)

    def naming_failures(
        self, handle: Callable[[Any], Awaitable[Any]], turn_id: str
    ) -> Callable[[Any], Awaitable[Any]]:
        """Return a message handler like ``handle`` that puts the turn's id at the end of a failure.

        Its answer ends in the id if the model failed, or Hermes itself; the failure is also
        reported. An answer that is no plain text, or that the handler has sent itself, is left as
        it is. What ``handle`` raises is raised; the text that Hermes's adapter then sends ends in
        the id.
        """

        async def handle_and_name(event: Any) -> Any:
            before = self._failures
            mark_next_text("")
            try:
                with last_logged_error() as logged:
                    answer = await handle(event)
            except asyncio.CancelledError:  # it was stopped; that is no failure
                raise
            except BaseException as error:
                self._hermes_failed(before, described(error))
                mark_next_text(turn_id)
                raise
            if type(answer) is not str or not answer.strip():
                return answer
            if (failure := failure_in(answer)) is not None:
                self._hermes_failed(before, ": ".join((failure, *logged)))
            return with_id(answer, turn_id) if self._failures > before else answer

        return handle_and_name

    def hermes_failed(self, error: Exception) -> None:
        """Report that Hermes raised when it was handed a message, so that no turn began with it."""
        text = _without_secrets(described(error))
        self._tell(msg.RunResult(outcome="hermes_failed", error=text))

    def _hermes_failed(self, failures: int, error: str) -> None:
        """Report that Hermes failed, unless a failure was told since there were ``failures``."""
        if self._failures == failures:
            self._say(msg.RunResult(outcome="hermes_failed", error=_without_secrets(error)))

    async def _turn(self, original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if _in_turn.get():  # a message that was queued behind the turn
            return await original(*args, **kwargs)
        token, told = _in_turn.set(True), self._told
        try:
            result = await original(*args, **kwargs)
        except Exception as error:
            self._say_once(told, "model_failed", str(error) or type(error).__name__)
            raise
        finally:
            _in_turn.reset(token)
        if isinstance(result, dict) and not result.get("interrupted"):
            self._judge_without_run(told, result)
        return result

    def _judge_without_run(self, told: int, result: dict[str, Any]) -> None:
        """Report a turn in which no agent came to its end: no key, or no answer in time."""
        text = str(result.get("error") or result.get("final_response") or "")
        if result.get("failed"):
            self._say_once(told, "model_failed", text)
        elif text and not result.get("api_calls"):
            self._say_once(told, "no_model", text)

    def _say_once(self, told: int, outcome: Any, error: str) -> None:
        if self._told == told:
            self._say(msg.RunResult(outcome=outcome, error=_without_secrets(error)))

    def _say(self, result: msg.RunResult) -> None:
        self._told += 1
        self._failures += result.outcome in _FAILURES
        self._tell(result)

    def _watched(self, original: Callable[..., Any]) -> Callable[..., Any]:
        runs = self

        def run_conversation(agent: Any, *args: Any, **kwargs: Any) -> Any:
            if not _in_turn.get() or _in_run.get():
                return original(agent, *args, **kwargs)
            token, before = _in_run.set(True), _usage(agent)
            try:
                result = original(agent, *args, **kwargs)
            finally:
                _in_run.reset(token)
            if isinstance(result, dict):
                runs._say(_result(agent, result, before))
            return result

        return run_conversation


def _result(agent: Any, result: dict[str, Any], before: tuple[float, ...]) -> msg.RunResult:
    read, written, cost = (now - then for now, then in zip(_usage(agent), before, strict=True))
    outcome, error = _judged(result)
    return msg.RunResult(
        outcome=outcome,
        error=_without_secrets(error),
        model=str(getattr(agent, "model", "") or ""),
        provider=str(getattr(agent, "provider", "") or ""),
        fallback=fell_back(agent),
        calls=int(result.get("api_calls") or 0),
        input_tokens=max(0, int(read)),
        output_tokens=max(0, int(written)),
        cost=cost if cost > 0 else None,
        session=str(getattr(agent, "session_id", "") or ""),
    )


def _judged(result: dict[str, Any]) -> tuple[Any, str]:
    error = str(result.get("error") or "")
    if result.get("interrupted"):
        return "interrupted", ""
    if result.get("failed") or (error and not result.get("completed")):
        return "model_failed", error or str(result.get("final_response") or "")
    return "answered", ""


def _usage(agent: Any) -> tuple[float, float, float]:
    """Return what the agent has used so far: input tokens, output tokens, dollars."""
    names = ("session_input_tokens", "session_output_tokens", "session_estimated_cost_usd")
    read, written, cost = (float(getattr(agent, name, 0) or 0) for name in names)
    return read, written, cost


def _without_secrets(text: str) -> str:
    """Return the beginning of an error as one line, without secrets."""
    line = " ".join(text.split())
    try:
        line = redacted(line)
    except Exception:  # noqa: BLE001 - boundary: a text with secrets is not shown
        return "an error that cannot be shown; see the profile's own log"
    return line[:_ERROR_CHARACTERS]
