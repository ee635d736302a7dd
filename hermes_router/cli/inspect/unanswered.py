"""Say why a gateway that may be running gives no status; only what asks it needs its client."""

from __future__ import annotations

from hermes_router.cli.inspect import serving
from hermes_router.cli.inspect.homes import GatewayHome, running_gateway
from hermes_router.observe.status.client import NoAnswer
from hermes_router.state import running


def without_answer(home: GatewayHome, error: NoAnswer) -> NoAnswer:
    """Return why a gateway gives no status, if one runs although nothing listens on its socket.

    ``error`` is the result of the question; it is returned if no gateway runs.
    """
    pid = running_gateway(home.path)
    if pid is None or error.state not in {"not running", "stale"}:
        return error
    try:
        record = running.read(home.path)
    except PermissionError:
        return NoAnswer("not allowed", serving.hidden(pid).what, hint=serving.hidden(pid).mend)
    if record is None or record.pid != pid:
        return NoAnswer(
            "without router",
            f"the gateway is {serving.compare(pid, None, None, home.restart).what}",
            hint=f"if it has not just been started or stopped: {home.router('doctor')}",
        )
    return NoAnswer(
        "does not answer",
        f"the gateway is running, process {pid}, but its status socket is not there",
        hint=f"if it has not just been started or stopped: {home.router('logs --since 5m')}",
    )
