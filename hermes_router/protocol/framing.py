"""Length-prefixed frames over a pair of pipe descriptors.

A frame is a 4-byte big-endian length and that many bytes. The stream has three ends, told apart
because they mean different things: a clean end between two frames, a cut frame, and a frame over
the size limit. Both sides use this module; it knows nothing of what frames contain.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import anyio

#: Bytes that one frame may have; larger things travel as chunks.
MAX_FRAME_BYTES = 1024 * 1024

_HEADER_BYTES = 4
_READ_BYTES = 64 * 1024
_FINISH_SECONDS = 2.0


class FrameError(Exception):
    """The peer broke the framing: a cut or an oversized frame."""


class EndOfFrames(Exception):
    """The peer closed its end between two frames."""


class FrameReader:
    """Reads frames from the pipe descriptor ``fd``, which it then owns."""

    def __init__(self, fd: int, *, max_frame: int = MAX_FRAME_BYTES) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._max_frame = max_frame
        self._buffer = bytearray()

    async def receive(self) -> bytearray:
        """Return the next frame's bytes.

        Raises:
            EndOfFrames: the peer closed the stream between two frames.
            FrameError: the frame is cut or larger than allowed; the stream is of no more use.
        """
        header = await self._take(_HEADER_BYTES)
        length = int.from_bytes(header, "big")
        if length > self._max_frame:
            raise FrameError(f"a frame of {length} bytes, {self._max_frame} are allowed")
        return await self._take(length, inside=True)

    async def _take(self, count: int, *, inside: bool = False) -> bytearray:
        """Return so many bytes, in memory of their own: a large frame is there once, not twice."""
        taken = bytearray(count)
        filled = self._unbuffer(taken, 0)
        while filled < count:
            if count - filled >= _READ_BYTES:
                filled += await self._read_into(memoryview(taken)[filled:], inside=True)
            else:
                fresh = bytearray(_READ_BYTES)
                got = await self._read_into(memoryview(fresh), inside=inside or filled > 0)
                self._buffer += fresh[:got]
                filled += self._unbuffer(taken, filled)
        return taken

    def _unbuffer(self, target: bytearray, at: int) -> int:
        """Move what was read ahead into ``target``; return how much that was."""
        count = min(len(self._buffer), len(target) - at)
        target[at : at + count] = self._buffer[:count]
        del self._buffer[:count]
        return count

    async def _read_into(self, target: memoryview, *, inside: bool) -> int:
        while True:
            if self._fd < 0:
                raise BrokenPipeError("this end of the pipe is closed")
            try:
                got = os.readv(self._fd, [target])
            except BlockingIOError:
                await _ready(anyio.wait_readable, self._fd)
                continue
            if got:
                return got
            if inside:
                raise FrameError("the stream ended inside a frame")
            raise EndOfFrames

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        self._fd = _close_once(self._fd)


class FrameWriter:
    """Writes frames to the pipe descriptor ``fd``, which it then owns.

    Several tasks may send: frames never mix. A full pipe makes the sender wait, which is the
    back-pressure that keeps memory flat on both sides.
    """

    def __init__(self, fd: int, *, max_frame: int = MAX_FRAME_BYTES) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._max_frame = max_frame
        self._lock = anyio.Lock(fast_acquire=True)

    async def send(self, frame: bytes) -> None:
        """Write one frame.

        Raises:
            FrameError: the frame is larger than the peer would take.
            OSError: the peer closed its end (``BrokenPipeError``), or this one is closed.
        """
        if len(frame) > self._max_frame:
            raise FrameError(f"a frame of {len(frame)} bytes, {self._max_frame} are allowed")
        async with self._lock:
            if self._fd < 0:
                raise BrokenPipeError("this end of the pipe is closed")
            await self._write(memoryview(len(frame).to_bytes(_HEADER_BYTES, "big") + frame))

    async def _write(self, data: memoryview) -> None:
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                try:
                    await _ready(anyio.wait_writable, self._fd)
                except anyio.get_cancelled_exc_class():
                    await self._finish(data)
                    raise

    async def _finish(self, data: memoryview) -> None:
        """Complete a frame whose sender was cancelled: half a frame would spoil all that follow.

        A peer that does not read could keep the sender for good; then this end is closed instead.
        """
        with anyio.move_on_after(_FINISH_SECONDS, shield=True):
            while data:
                try:
                    data = data[os.write(self._fd, data) :]
                except BlockingIOError:
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
