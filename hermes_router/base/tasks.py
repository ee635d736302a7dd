"""Keep background tasks until they end, cancel tasks and blocks, and run threads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

logger = logging.getLogger(__name__)

_Value = TypeVar("_Value")
_Arguments = TypeVarTuple("_Arguments")


class BackgroundTasks:
    """Starts tasks, and holds each until it ends: the event loop alone might lose a running task.

    When a task fails, ``failure`` is logged with the traceback. With ``failure=None`` nothing is
    logged: the caller of :meth:`start` reads the result of the task.
    """

    def __init__(self, failure: str | None = None) -> None:
        self._failure = failure
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(
        self, work: Coroutine[Any, Any, _Value], *, name: str | None = None
    ) -> asyncio.Task[_Value]:
        """Start ``work`` as a task in the running event loop, and return the task."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        """Iterate over the tasks that have not ended."""
        return iter(tuple(self._tasks))

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if self._failure is not None and not task.cancelled() and task.exception() is not None:
            logger.error(self._failure, exc_info=task.exception())


async def cancel(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task, if there is one, and wait until it has ended.

    Raises:
        Exception: the error of the task, if it ended with another error than its cancellation.
    """
    if task is not None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Cancellable:
    """Cancels a block, also one that begins only later. It may be made outside of an event loop.

    A turn has one, because it may be ended before its worker is started.
    """

    def __init__(self) -> None:
        self._cancelled = False
        self._scope: anyio.CancelScope | None = None

    @contextlib.contextmanager
    def block(self) -> Iterator[None]:
        """Run a block that ends early, without an error, once :meth:`cancel` is called."""
        with anyio.CancelScope() as self._scope:
            if self._cancelled:
                self._scope.cancel()
            yield

    def cancel(self) -> None:
        """Cancel the block that runs now, and each block that begins later, at its next wait."""
        self._cancelled = True
        if self._scope is not None:
            self._scope.cancel()


async def in_thread(function: Callable[[*_Arguments], _Value], *arguments: *_Arguments) -> _Value:
    """Run a function that blocks in a thread, and return its result.

    If the machine allows no more threads, it runs in the event loop: late is better than never.

    Raises:
        Exception: the function's own error.
    """
    try:
        return await anyio.to_thread.run_sync(function, *arguments)
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
    return function(*arguments)
