"""Read one worker's messages in order, execute its calls, and answer each call.

A call is a worker's request to the gateway, for example to send a text by the adapter. A few calls
run at the same time. The task that reads the messages executes a call itself. Only if the call has
to wait, another task reads the next messages. So a call that never waits costs neither a new task
nor a turn of the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import logging
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

import anyio.abc

from hermes_router.base.errors import RelayRefused
from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import MAX_FRAME_BYTES, EndOfFrames, FrameError
from hermes_router.workers.flow_control import RunningCalls
from hermes_router.workers.process import WorkerProcess
from hermes_router.workers.worker_log import one_line

# The logger of the turn: these lines are about the turn.
logger = logging.getLogger("hermes_router.turns.turn")

#: Maximum number of calls that run at once. Together they may have the bytes of one frame.
CALLS_AT_ONCE = 16

#: Maximum number of lines in the gateway's log about one worker's refused and failed calls.
_LINES = 20


class RpcServer:
    """Executes the calls of ``worker`` with the function ``do``, and sends the worker each result.

    If ``do`` raises, the worker gets the error as the result. ``noted`` is called before each call,
    with the call and the bytes of all calls so far. ``take`` is called with each message that is no
    call, one after the other.
    """

    def __init__(
        self,
        do: Callable[[msg.Request], Coroutine[Any, Any, Any]],
        worker: WorkerProcess,
        *,
        turn_id: str,
        noted: Callable[[msg.Request, int], None],
        take: Callable[[msg.FromWorker], Awaitable[None]],
    ) -> None:
        self._do = do
        self._worker = worker
        self._turn_id = turn_id
        self._noted = noted
        self._take = take
        self._running = RunningCalls(calls=CALLS_AT_ONCE, size=MAX_FRAME_BYTES)
        self._tasks: anyio.abc.TaskGroup | None = None
        self._context = contextvars.copy_context()
        self._listening = True
        self._over = False
        self._resting: list[asyncio.Future[None]] = []
        self._bytes = 0
        self._lines = 0
        self._doing = 0
        self._held = False
        self._sends: dict[int, anyio.CancelScope] = {}

    @property
    def held_up(self) -> bool:
        """True if no message of the worker is read now, because its running calls take long.

        The worker cannot be blamed for its silence then; see :meth:`Watchdog.check`.
        """
        return self._held and self._doing > 0

    # -- listening -----------------------------------------------------------------------------

    async def serve(self, tasks: anyio.abc.TaskGroup) -> None:
        """Read messages until the worker closes its end; calls may go on in ``tasks`` after that.

        Errors of ``noted`` and ``take`` are raised here or in ``tasks``.

        Raises:
            ProtocolError: the worker sent bytes that are no message (here or in ``tasks``).
        """
        self._tasks, self._context = tasks, contextvars.copy_context()
        await self._listen()

    async def _listen(self) -> None:
        """Read messages and execute calls while this task is the reader; only one task reads."""
        while True:
            heard = await self._next_call()
            if heard is None:
                self._end()
                return
            had_to_wait = await _told_of_waiting(self._execute_in_room(*heard), self._hand_over)
            del heard  # free its memory before the next message is read
            if had_to_wait and not await self._take_over():
                return

    async def _listen_next(self) -> None:
        if await self._take_over():
            await self._listen()

    async def _next_call(self) -> tuple[msg.Request, int] | None:
        """Return the next call and its bytes, once there is room for it; None at the end."""
        while True:
            try:
                message = await self._worker.receive()
            except EndOfFrames:
                return None
            if isinstance(message, msg.Request):
                size = self._worker.frame_bytes
                self._bytes += size
                self._noted(message, self._bytes)
                if not self._running.has(size):
                    await self._wait_for_room(size)
                self._running.enter(size)
                return message, size
            if isinstance(message, msg.Cancel):
                self._cancel(message.call)
            else:
                await self._take(message)
            del message  # free its memory before the next message is read

    async def _wait_for_room(self, size: int) -> None:
        self._held = True
        try:
            await self._running.wait_for(size)
        finally:
            self._held = False

    def _hand_over(self) -> None:
        """Let another task read messages, because the call in this task has to wait.

        The call has set context variables, say the thread that it may send to. They must not hold
        for the calls that the new task executes.
        """
        self._listening = False
        if not self._wake() and self._tasks is not None:
            self._context.run(self._tasks.start_soon, self._listen_next)

    def _wake(self) -> bool:
        """Wake one task that waits to read; return False if no task waits."""
        while self._resting:
            rest = self._resting.pop()
            if not rest.done():
                rest.set_result(None)
                return True
        return False

    async def _take_over(self) -> bool:
        """Wait until no task reads, and become the reader; return False at the end of messages."""
        while self._listening and not self._over:
            rest = asyncio.get_running_loop().create_future()
            self._resting.append(rest)
            await rest
        self._listening = True
        return not self._over

    def _end(self) -> None:
        self._over = True
        while self._wake():
            pass

    # -- doing ---------------------------------------------------------------------------------

    async def _execute_in_room(self, call: msg.Request, size: int) -> None:
        try:
            result = await self._execute(call)
            # If the worker is gone, the reader of its messages notices it.
            with contextlib.suppress(OSError):
                await self._answer(result)
        finally:
            self._running.leave(size)

    def _cancel(self, number: int) -> None:
        if (send := self._sends.get(number)) is not None:
            send.cancel()

    async def _do_unless_cancelled(self, call: msg.Request) -> Any:
        """Execute a call that sends a text; it ends early if the worker cancels it.

        Raises:
            RuntimeError: the worker cancelled the call.
        """
        with anyio.CancelScope() as scope:
            self._sends[call.id] = scope
            try:
                return await self._do(call)
            finally:
                self._sends.pop(call.id, None)
        raise RuntimeError("the worker has cancelled it")

    async def _execute(self, call: msg.Request) -> msg.Result:
        self._doing += 1
        sends = isinstance(call, msg.Call) and call.method == "send"
        try:
            value = await (self._do_unless_cancelled(call) if sends else self._do(call))
        except RelayRefused as error:
            self._log(logging.WARNING, "refused", str(error))
            return msg.Result(call=call.id, error=one_line(str(error)), refused=True)
        except asyncio.CancelledError as error:
            if _is_being_cancelled():
                raise
            return self._failed(call, error)  # only a task in the adapter was cancelled
        except Exception as error:  # noqa: BLE001 - an adapter may raise anything
            return self._failed(call, error)
        finally:
            self._doing -= 1
        return msg.Result(call=call.id, value=value)

    def _failed(self, call: msg.Request, error: BaseException) -> msg.Result:
        self._log(logging.INFO, f"{_name(call)} failed", repr(error))
        return msg.Result(call=call.id, error=one_line(repr(error)))

    async def _answer(self, result: msg.Result) -> None:
        try:
            await self._worker.send(result)
        except (FrameError, ValueError, TypeError, OverflowError) as error:
            text = f"the result cannot be passed on: {one_line(repr(error))}"
            await self._worker.send(msg.Result(call=result.call, error=text))

    def _log(self, level: int, what: str, why: str) -> None:
        """Log a refused or failed call, up to ``_LINES`` lines: a worker could cause any number."""
        self._lines += 1
        if self._lines <= _LINES:
            logger.log(level, "turn %s: %s: %s", self._turn_id, one_line(what), one_line(why))
        if self._lines == _LINES:
            logger.warning("turn %s: further failed calls are not logged", self._turn_id)


@types.coroutine
def _told_of_waiting(
    work: Coroutine[Any, Any, None], waits: Callable[[], None]
) -> Generator[Any, Any, bool]:
    """Run ``work`` in this task; call ``waits`` when it first has to wait.

    Returns True if ``work`` had to wait.
    """
    try:
        awaited = work.send(None)
    except StopIteration:
        return False
    waits()
    while True:
        step: Callable[[], Any]
        try:
            sent = yield awaited
        except BaseException as error:  # noqa: BLE001 - every error is passed on to the work
            step = functools.partial(work.throw, error)
        else:
            step = functools.partial(work.send, sent)
        try:
            awaited = step()
        except StopIteration:
            return True


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _name(call: msg.Request) -> str:
    return call.method if isinstance(call, msg.Call) else type(call).__name__.lower()
