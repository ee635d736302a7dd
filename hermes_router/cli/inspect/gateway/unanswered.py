"""Ask a gateway for its status or its metrics; without an answer, say why, and what to do.

Only what asks the gateway needs the client of its socket.
"""

from __future__ import annotations

from hermes_router.cli.inspect.gateway import serving
from hermes_router.cli.inspect.homes import GatewayHome, running_gateway
from hermes_router.observe.status import client
from hermes_router.observe.status.client import NoAnswer
from hermes_router.observe.status.messages import Answer
from hermes_router.state import running


def ask(home: GatewayHome, what: str = "status") -> Answer:
    """Return the answer of the gateway that runs with this home.

    Raises:
        NoAnswer: there is no valid answer; its hint names commands for this home.
    """
    try:
        return client.ask(home.path, what)
    except NoAnswer as error:
        raise _without_answer(home, error) from error


def _hint(home: GatewayHome, state: str) -> str:
    if state == "not running":
        doctor = home.router("doctor")
        return f"start it: {home.hermes('gateway run')}; if that does not help: {doctor}"
    if state == "stale":
        return f"start it again: {home.hermes('gateway run')}"
    if state == "does not answer":
        return f"it may be very busy, or hang; see: {home.router('logs --since 5m')}"
    if state == "another version":
        return f"the gateway runs another version of hermes-router; restart it: {home.restart}"
    return ""


def _without_answer(home: GatewayHome, error: NoAnswer) -> NoAnswer:
    """Return why a gateway gives no answer, if one runs although nothing listens on its socket.

    ``error`` is the result of the question; it is returned with a hint if no gateway runs.
    """
    pid = running_gateway(home.path)
    if pid is None or error.state not in {"not running", "stale"}:
        hint = error.hint or _hint(home, error.state)
        return NoAnswer(error.state, error.message, where=error.where, hint=hint)
    try:
        record = running.read(home.path)
    except PermissionError:
        return NoAnswer("not allowed", serving.hidden(pid).what, hint=serving.hidden(pid).mend)
    doctor = home.router("doctor")
    if record is None or record.pid != pid:
        return NoAnswer(
            "without router",
            f"the gateway is {serving.compare(pid, None, None, home.restart, doctor).what}",
            hint=f"if it has not just been started or stopped: {doctor}",
        )
    return NoAnswer(
        "does not answer",
        f"the gateway is running, process {pid}, but its status socket is not there",
        hint=f"if it has not just been started or stopped: {home.router('logs --since 5m')}",
    )
