"""Show what a gateway's router does: records of turns, figures, a status socket, metrics."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from hermes_router.base import tasks
from hermes_router.config.watcher import ConfigWatcher
from hermes_router.observe import records
from hermes_router.observe.book import TurnBook
from hermes_router.observe.figures import Figures
from hermes_router.observe.metrics_server import MetricsServer
from hermes_router.observe.overview import Overview
from hermes_router.observe.records import Records
from hermes_router.observe.status.server import StatusServer
from hermes_router.protocol.system.versions import hermes_version, router_version
from hermes_router.routing.table import Place
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.workers.pool import WorkerPool

logger = logging.getLogger(__name__)


class Observing:
    """Records the turns of one gateway, and answers programs that ask about them.

    None of its parts can delay a turn or end one. Turns report to ``book``. ``holds`` is for the
    status; see ``Overview``.
    """

    def __init__(
        self,
        home: Path,
        watcher: ConfigWatcher,
        holds: Callable[[Sequence[str]], Sequence[str]],
    ) -> None:
        self._home = home
        self._watcher = watcher
        self._holds = holds
        self._folder = records.folder_of(home)
        self._figures = Figures()
        self.book = TurnBook(Records(self._folder), self._route_of)
        self.book.listen(self._figures.add)
        self._servers: list[StatusServer | MetricsServer] = []
        self._remembering: asyncio.Task[None] | None = None

    async def start(self, dispatcher: Dispatcher, workers: WorkerPool) -> None:
        """Start to answer queries on the status socket, and on the configured metrics port.

        If one of them cannot be opened, this is logged, and the gateway goes on.
        """
        overview = Overview(
            self._home, self._watcher, dispatcher, workers, self._figures, _versions, self._holds
        )
        self._servers.append(StatusServer(self._home, overview.answer))
        config = self._watcher.snapshot
        if config is not None and config.metrics.port:
            self._servers.append(MetricsServer(config.metrics.port, overview.metrics))
        for server in self._servers:
            await server.start()
        self._remembering = asyncio.create_task(self._remember())

    async def stop(self) -> None:
        """Close the status socket and the metrics port."""
        await tasks.cancel(self._remembering)
        for server in self._servers:
            await server.stop()

    async def _remember(self) -> None:
        """Add the turns that an earlier gateway served today to today's figures."""
        midnight = datetime.now(UTC).astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        earlier = datetime.now(UTC)
        try:
            found = await tasks.in_thread(
                functools.partial(records.read, self._folder, earliest=midnight)
            )
        except OSError as error:
            logger.warning(
                "%s: the records of today's turns cannot be read: %s", self._folder, error
            )
            return
        self._figures.remember(
            report for report in found if (records.arrived(report) or earlier) < earlier
        )

    def _route_of(self, place: Place) -> str:
        """Return the name of the route in force that answers a place."""
        config = self._watcher.snapshot
        match = None if config is None else config.decide(place).match
        return "" if match is None else match.route.name or match.route.path


@functools.cache
def _versions() -> Mapping[str, str]:
    return {"router": router_version(), "hermes": hermes_version() or "unknown"}
