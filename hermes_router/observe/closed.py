"""The status of a gateway in which no router runs: it says that routing is closed, and why."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

from hermes_router.observe import metrics
from hermes_router.observe.figures import Figures
from hermes_router.observe.status import messages
from hermes_router.observe.status.server import StatusServer
from hermes_router.protocol.messages import PROTOCOL_VERSION
from hermes_router.protocol.system.versions import hermes_version, router_version


class ClosedRouting:
    """Answers on the status socket while no router runs; ``why`` is the reason, for people."""

    def __init__(self, home: Path, why: str) -> None:
        self._home = home
        self._why = why
        self._begun = time.monotonic()
        self._server = StatusServer(home, self._answer)

    async def start(self) -> None:
        """Start to listen. If the socket cannot be made, log that; the gateway goes on."""
        await self._server.start()

    async def stop(self) -> None:
        """Stop listening and remove the socket."""
        await self._server.stop()

    async def _answer(self, ask: messages.Ask) -> messages.Answer:
        if ask.ask == "metrics":
            return messages.Answer(metrics=metrics.text(self._now(), Figures()))
        return messages.Answer(status=self._now())

    def _now(self) -> messages.Status:
        return messages.Status(
            pid=os.getpid(),
            home=str(self._home),
            uptime=round(time.monotonic() - self._begun, 1),
            versions={
                "router": router_version(),
                "hermes": hermes_version() or "unknown",
                "python": platform.python_version(),
                "protocol": str(PROTOCOL_VERSION),
            },
            configuration=messages.Configuration(file=str(self._home / "config.yaml")),
            closed=[f"every routed place: {self._why}"],
            routing_closed=self._why,
        )
