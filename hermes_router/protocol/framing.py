"""Length-prefixed frames over a pair of pipe descriptors.

A frame is a 4-byte big-endian length and that many bytes. A stream can end in three ways, which
mean different things: a clean end between two frames, a cut frame, or a frame above the size limit.
Both sides use this module. It does not know what frames contain.

Both sides run on asyncio. A descriptor stays registered with the event loop after a wait, because
to register it again for each frame takes longer than to read the frame.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import anyio

#: Maximum bytes of one frame; larger data is sent as several chunks.
MAX_FRAME_BYTES = 1024 * 1024

_HEADER_BYTES = 4
_READ_BYTES = 64 * 1024
_FINISH_SECONDS = 2.0


class FrameError(Exception):
    """The peer sent a cut frame or a frame above the size limit."""


class EndOfFrames(Exception):
    """The peer closed its end of the pipe between two frames."""


class FrameReader:
    """Reads frames from the pipe descriptor ``fd``, which it then owns. One task reads at a time.

    While no task reads, data stays in the pipe, except what was read together with an earlier
    frame. ``waits`` counts how often there was nothing to read, so that other tasks could run.
    """

    def __init__(self, fd: int, *, max_frame: int = MAX_FRAME_BYTES) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._max_frame = max_frame
        self._ahead = bytearray()
        self._large: bytearray | None = None
        self._filled = 0
        self._waiter: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.waits = 0

    async def receive(self) -> bytes | bytearray:
        """Return the next frame's bytes.

        Raises:
            EndOfFrames: the peer closed the stream between two frames.
            FrameError: the frame is cut or larger than allowed; the stream cannot be used any more.
            OSError: this end of the pipe was closed.
        """
        while (frame := self._next()) is None:
            # A registered pipe was empty a moment ago; the event loop tells when it is not.
            if self._loop is not None or not self._fill():
                await self._wait()
        return frame

    def _next(self) -> bytes | bytearray | None:
        """Return the next frame if it was read completely, else None."""
        if self._large is not None:
            return self._take_large()
        ahead = self._ahead
        if len(ahead) < _HEADER_BYTES:
            return None
        length = int.from_bytes(ahead[:_HEADER_BYTES], "big")
        end = _HEADER_BYTES + length
        if length > self._max_frame:
            raise FrameError(f"a frame of {length} bytes, {self._max_frame} are allowed")
        if len(ahead) < end:
            if length >= _READ_BYTES:
                self._begin_large(length)
            return None
        frame = bytes(memoryview(ahead)[_HEADER_BYTES:end])
        del ahead[:end]
        return frame

    def _begin_large(self, length: int) -> None:
        """Make a buffer for a large frame and read the rest into it, to avoid a second copy."""
        begun = memoryview(self._ahead)[_HEADER_BYTES:]
        self._large, self._filled = bytearray(length), len(begun)
        self._large[: len(begun)] = begun
        begun.release()
        self._ahead.clear()

    def _take_large(self) -> bytearray | None:
        large = self._large
        if large is None or self._filled < len(large):
            return None
        self._large = None
        return large

    def _fill(self) -> bool:
        """Read what is in the pipe; return False if it is empty.

        Raises:
            EndOfFrames: the peer closed the stream between two frames.
            FrameError: the stream ended inside a frame.
        """
        if self._fd < 0:
            raise BrokenPipeError("this end of the pipe is closed")
        try:
            if self._large is None:
                data = os.read(self._fd, _READ_BYTES)
                self._ahead += data
                got = len(data)
            else:
                got = os.readv(self._fd, [memoryview(self._large)[self._filled :]])
                self._filled += got
        except BlockingIOError:
            return False
        if not got:
            if self._large is not None or self._ahead:
                raise FrameError("the stream ended inside a frame")
            raise EndOfFrames
        return True

    # -- waiting -------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Wait until a whole frame was read."""
        loop = asyncio.get_running_loop()
        if self._fd < 0:
            raise BrokenPipeError("this end of the pipe is closed")
        if self._loop is None:
            loop.add_reader(self._fd, self._on_readable)
            self._loop = loop
        self.waits += 1
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _on_readable(self) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            self._unwatch()  # leave it in the pipe, so that the peer has to wait
            return
        try:
            self._fill()
            if self._is_whole():
                waiter.set_result(None)
        except (OSError, FrameError, EndOfFrames) as error:
            waiter.set_exception(error)

    def _is_whole(self) -> bool:
        """Return True if :meth:`_next` has a frame, an error, or a large frame to begin."""
        if self._large is not None:
            return self._filled == len(self._large)
        ahead = self._ahead
        if len(ahead) < _HEADER_BYTES:
            return False
        length = int.from_bytes(ahead[:_HEADER_BYTES], "big")
        return len(ahead) >= _HEADER_BYTES + length or length >= _READ_BYTES

    def _unwatch(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._fd)
            self._loop = None

    def close(self) -> None:
        """Close the descriptor; a task that waits in :meth:`receive` gets ``OSError``.

        A second call does nothing.
        """
        self._unwatch()
        self._fd = _close_once(self._fd)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(
                BrokenPipeError("the descriptor was closed while a task was reading it")
            )


class FrameWriter:
    """Writes frames to the pipe descriptor ``fd``, which it then owns.

    Several tasks may send at the same time; their frames never mix. If the pipe is full, the sender
    waits. This back-pressure limits the memory on both sides.
    """

    def __init__(self, fd: int, *, max_frame: int = MAX_FRAME_BYTES) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._max_frame = max_frame
        self._lock = anyio.Lock(fast_acquire=True)
        self._in_line = 0

    async def send(self, frame: bytes) -> None:
        """Write one frame.

        Raises:
            FrameError: the frame is larger than allowed. Nothing was written.
            OSError: the peer closed its end (``BrokenPipeError``), or this end is closed.
        """
        if len(frame) > self._max_frame:
            raise FrameError(f"a frame of {len(frame)} bytes, {self._max_frame} are allowed")
        data = len(frame).to_bytes(_HEADER_BYTES, "big") + frame
        if self._in_line:
            await self._send_in_line(data, begun=False)
        elif (written := self._write_some(data)) < len(data):
            await self._send_in_line(data[written:], begun=True)

    async def _send_in_line(self, data: bytes, *, begun: bool) -> None:
        """Write a frame, or the rest of one, that does not fit into the pipe at once."""
        self._in_line += 1
        try:
            if begun:
                self._lock.acquire_nowait()  # no other task waits; it must not be cancelled here
            else:
                await self._lock.acquire()
            try:
                await self._write(memoryview(data))
            finally:
                self._lock.release()
        finally:
            self._in_line -= 1

    def _write_some(self, data: bytes | memoryview) -> int:
        """Write as many bytes as the pipe has room for; return how many."""
        if self._fd < 0:
            raise BrokenPipeError("this end of the pipe is closed")
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    async def _write(self, data: memoryview) -> None:
        while data := data[self._write_some(data) :]:
            try:
                await _ready(anyio.wait_writable, self._fd)
            except anyio.get_cancelled_exc_class():
                await self._finish(data)
                raise

    async def _finish(self, data: memoryview) -> None:
        """Complete a frame whose sender was cancelled: after half a frame, no other could be read.

        If the peer does not read within 2 s, close this end instead.
        """
        with anyio.move_on_after(_FINISH_SECONDS, shield=True):
            while data := data[self._write_some(data) :]:
                await _ready(anyio.wait_writable, self._fd)
            return
        self.close()

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        self._fd = _close_once(self._fd)


async def _ready(wait: Callable[[int], Awaitable[None]], fd: int) -> None:
    try:
        await wait(fd)
    except anyio.ClosedResourceError:
        raise BrokenPipeError("the descriptor was closed while a task waited for it") from None


def _close_once(fd: int) -> int:
    if fd >= 0:
        anyio.notify_closing(fd)
        os.close(fd)
    return -1
