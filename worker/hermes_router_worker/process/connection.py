"""The worker's end of the pipe: typed messages out, calls that wait for their answer."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import select
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from msgspec.structs import replace

from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import EndOfFrames, FrameReader, FrameWriter

#: Seconds to save what there is, after the gateway has been killed.
_LAST_SECONDS = 1.0


class CallFailed(Exception):
    """The gateway could not carry out a request of this worker.

    ``refused`` is True if the relay's policy did not allow the request.
    """

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused


class Connection:
    """Messages to and from the gateway over two descriptors, which it then owns.

    A session or a job receives in one task; any task of the event loop may send.
    """

    def __init__(self, inbound: int, outbound: int) -> None:
        self._outbound = outbound
        self._reader = FrameReader(inbound)
        self._writer = FrameWriter(outbound)
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.before_call: Callable[[], Awaitable[None]] | None = None
        #: True when the session ends: the gateway then goes on with a call that is cancelled here.
        self.leaving = False
        #: True once :meth:`close` was called.
        self.closed = False

    async def receive(self) -> msg.ToWorker:
        """Wait for the gateway's next message, and return it.

        If the gateway itself is gone, and not only the pipe closed, this process ends one second
        later.

        Raises:
            EndOfFrames: the gateway closed the pipe.
            FrameError: a frame is cut or too large.
            msgspec.MsgspecError: the bytes are no message of the gateway.
            OSError: this end of the pipe was closed.
        """
        try:
            return msg.decode_to_worker(await self._reader.receive())
        except EndOfFrames:
            if self._nobody_reads():
                _end_soon()
            raise

    def _nobody_reads(self) -> bool:
        """Say whether the gateway is gone; one that only wants this worker to end still reads."""
        poll = select.poll()
        poll.register(self._outbound, 0)  # errors are always reported
        return any(events & select.POLLERR for _fd, events in poll.poll(0))

    async def send(self, message: msg.Message) -> None:
        """Send one message; wait while the gateway is slow to read.

        Raises:
            OSError: the gateway is gone, or this end of the pipe is closed.
        """
        await self._writer.send(msg.encode(message))

    async def report(self, error: BaseException) -> None:
        """Tell the gateway the error with which this process fails, before the process ends.

        The gateway then tells the chat. Nothing happens if the gateway is gone.
        """
        text = "".join(traceback.format_exception(error))
        with contextlib.suppress(OSError):
            await self.send(msg.Failed(error=repr(error), traceback=text[-8000:]))

    async def send_file(self, name: str) -> msg.FileRef:
        """Send a file's bytes before the message that refers to them; return the reference.

        Raises:
            OSError: the file cannot be read, or the pipe is closed.
        """
        stream, size = next(self._ids), 0
        path = anyio.Path(name)
        async with await path.open("rb") as source:
            while data := await source.read(msg.CHUNK_BYTES):
                size += len(data)
                await self.send(msg.Chunk(stream=stream, data=data))
        return msg.FileRef(stream=stream, name=path.name, size=size)

    def number(self) -> int:
        """Return a new call number, for a caller that must know the number before the call.

        A prompt is remembered by it: a click may come before the call returns.
        """
        return next(self._ids)

    async def call(
        self,
        method: str,
        args: dict[str, Any],
        number: int | None = None,
        *,
        answers: int = 0,
    ) -> Any:
        """Have the gateway call ``method`` of the real adapter; return the result.

        ``before_call``, if it is set, sends messages first: the gateway knows them before people
        see the call. ``answers`` is the number of an event: this call sends the end of the answer
        to all events up to it. If Hermes cancels the sending of a text, the gateway cancels it too:
        else it would come after Hermes has sent it in another way.

        Raises:
            CallFailed: the adapter raised, or the relay's policy refused the call.
            OSError: the pipe is closed.
        """
        if self.before_call is not None:
            await self.before_call()
        number = self.number() if number is None else number
        call = msg.Call(id=number, method=method, args=args, answers=answers)
        try:
            return await self.ask(lambda _number: call, number)
        except asyncio.CancelledError:
            if method == "send" and not self.leaving:
                with contextlib.suppress(OSError):
                    await self.send(msg.Cancel(call=number))
            raise

    async def ask(self, message: Callable[[int], msg.Message], number: int | None = None) -> Any:
        """Send the message that ``message`` makes with a number; return the gateway's answer.

        :meth:`answer` brings the answer, from the task that reads the pipe.

        Raises:
            CallFailed: the gateway could not do it, or its policy refused it, or :meth:`close` was
                called.
            OSError: the pipe is closed.
        """
        number = self.number() if number is None else number
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            await self.send(message(number))
            return await answer
        finally:
            del self._waiting[number]

    async def pass_on(self, message: msg.Deliver | msg.React) -> msg.Result:
        """Send the gateway a request of a process that this worker started; return the answer.

        The send server calls it. On the pipe, the request has a number of this connection. The
        answer has the request's own number, and contains the error if the gateway refused or
        failed.

        Raises:
            OSError: the pipe is closed.
        """
        number = message.id
        try:
            value = await self.ask(lambda own: replace(message, id=own))
        except CallFailed as error:
            return msg.Result(call=number, error=str(error), refused=error.refused)
        return msg.Result(call=number, value=value)

    def answer(self, result: msg.Result) -> None:
        """Hand a result to the call that waits for it; drop a result that no call waits for.

        The task that reads the pipe calls it.
        """
        waiting = self._waiting.get(result.call)
        if waiting is None or waiting.done():
            return
        if result.error is None:
            waiting.set_result(result.value)
        else:
            waiting.set_exception(CallFailed(result.error, refused=result.refused))

    def close(self) -> None:
        """Close both descriptors, and fail all calls that still wait; a second call does nothing.

        Called when the gateway is gone, and before the process ends.
        """
        self.closed = True
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(CallFailed("the gateway has ended", refused=False))
        self._reader.close()
        self._writer.close()


def claim_stdio() -> tuple[int, int]:
    """Return copies of descriptors 0 and 1 for the protocol, and replace 0 and 1 by harmless ones.

    A worker calls it before it imports Hermes. From then on a stray ``print`` or a child process
    cannot touch the protocol: 0 reads nothing, 1 writes to the worker log.
    """
    inbound, outbound = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    _renew_streams()
    return inbound, outbound


def _renew_streams() -> None:
    """Make ``sys.stdout`` and ``sys.stderr`` again: the old objects describe the old descriptors.

    Otherwise a module that changes their encoding would fail, because a pipe has no position.
    """
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = os.fdopen(
            descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
        )
        setattr(sys, name, stream)


def _end_soon() -> None:
    """End this process, and with it all that it started, whatever its other threads do."""
    timer = threading.Timer(_LAST_SECONDS, os._exit, (0,))
    timer.daemon = True
    timer.start()
