"""Tasks that nobody waits for: keeping them until they end, and ending one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

_Value = TypeVar("_Value")


class BackgroundTasks:
    """Tasks of one owner. The event loop itself forgets a task that nobody else holds.

    ``failure`` is logged, with the traceback, when one fails. Without it whoever is given the task
    asks it how it went.
    """

    def __init__(self, failure: str | None = None) -> None:
        self._failure = failure
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(
        self, work: Coroutine[Any, Any, _Value], *, name: str | None = None
    ) -> asyncio.Task[_Value]:
        """Begin some work in the running event loop."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        """Go through those that have not ended."""
        return iter(tuple(self._tasks))

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if self._failure is not None and not task.cancelled() and task.exception() is not None:
            logger.error(self._failure, exc_info=task.exception())


async def cancel(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task, if there is one, and wait until it has ended; raises what it raises."""
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
