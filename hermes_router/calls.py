"""The calls of one worker: a few at once, each answered whatever comes of it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio.abc

from hermes_router.errors import RelayRefused
from hermes_router.logs import one_line
from hermes_router.pace import Room
from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import MAX_FRAME_BYTES, FrameError
from hermes_router.worker_process import WorkerProcess

# The turn's own: to whoever reads the log, its calls are a part of it.
logger = logging.getLogger("hermes_router.turn")

#: Calls that are executed at once; together they have the bytes of one frame at the most.
CALLS_AT_ONCE = 16

#: Lines in the gateway's log about refused and failed calls of one worker.
_LINES = 20


Request = msg.Call | msg.Deliver | msg.React
"""What a worker asks for, and is answered with a :class:`msg.Result`."""


class Calls:
    """Has what ``worker`` asks for done by ``do``, and tells it what came of it."""

    def __init__(
        self, do: Callable[[Request], Awaitable[Any]], worker: WorkerProcess, *, turn_id: str
    ) -> None:
        self._do = do
        self._worker = worker
        self._turn_id = turn_id
        self._room = Room(calls=CALLS_AT_ONCE, size=MAX_FRAME_BYTES)
        self._bytes = 0
        self._lines = 0
        self._doing = 0
        self._held = False

    @property
    def held_up(self) -> bool:
        """Say whether the worker is not listened to because what it asked for takes its time."""
        return self._held and self._doing > 0

    def count(self, size: int) -> int:
        """Add the bytes of one call; return those of all calls so far."""
        self._bytes += size
        return self._bytes

    async def begin(self, call: Request, size: int, tasks: anyio.abc.TaskGroup) -> None:
        """Execute a call in the background, as soon as there is room for its ``size`` bytes."""
        self._held = True
        try:
            await self._room.enter(size)
        finally:
            self._held = False
        tasks.start_soon(self._execute_in_room, call, size)

    async def _execute_in_room(self, call: Request, size: int) -> None:
        try:
            result = await self._execute(call)
            # When the worker is gone, that is noticed where its messages are read.
            with contextlib.suppress(OSError):
                await self._answer(result)
        finally:
            self._room.leave(size)

    async def _execute(self, call: Request) -> msg.Result:
        self._doing += 1
        try:
            value = await self._do(call)
        except RelayRefused as error:
            self._log(logging.WARNING, "refused", str(error))
            return msg.Result(call=call.id, error=one_line(str(error)), refused=True)
        except Exception as error:  # noqa: BLE001 - an adapter may raise anything
            self._log(logging.INFO, f"{_name(call)} failed", repr(error))
            return msg.Result(call=call.id, error=one_line(repr(error)))
        finally:
            self._doing -= 1
        return msg.Result(call=call.id, value=value)

    async def _answer(self, result: msg.Result) -> None:
        try:
            await self._worker.send(result)
        except (FrameError, ValueError, TypeError, OverflowError) as error:
            text = f"the result cannot be passed on: {one_line(repr(error))}"
            await self._worker.send(msg.Result(call=result.call, error=text))

    def _log(self, level: int, what: str, why: str) -> None:
        """Log what became of a call, a few times: the worker decides how often that is."""
        self._lines += 1
        if self._lines <= _LINES:
            logger.log(level, "turn %s: %s: %s", self._turn_id, one_line(what), one_line(why))
        if self._lines == _LINES:
            logger.warning("turn %s: what fails from here on is not logged", self._turn_id)


def _name(call: Request) -> str:
    return call.method if isinstance(call, msg.Call) else type(call).__name__.lower()
