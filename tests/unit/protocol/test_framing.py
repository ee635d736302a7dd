"""Frames over real pipes: whole, in order, never mixed, and no more of them held than is read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import pytest

from hermes_router.protocol.framing import (
    MAX_FRAME_BYTES,
    EndOfFrames,
    FrameError,
    FrameReader,
    FrameWriter,
)

PIPE_BYTES = 64 * 1024
SIZES = (0, 1, 4, 1000, PIPE_BYTES - 4, PIPE_BYTES - 3, PIPE_BYTES, 200_000, MAX_FRAME_BYTES)


@dataclass
class Pipe:
    """A pipe with a reader of frames at its end; a writer and a bare descriptor lead into it."""

    reader: FrameReader
    writer: FrameWriter
    raw: int

    def shut(self) -> None:
        self.writer.close()
        if self.raw >= 0:
            os.close(self.raw)
            self.raw = -1


@pytest.fixture
async def pipe() -> AsyncIterator[Pipe]:
    out, into = os.pipe()
    made = Pipe(FrameReader(out), FrameWriter(os.dup(into)), into)
    yield made
    made.shut()
    made.reader.close()


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


async def poured(pipe: Pipe, most: int) -> int:
    """Write frames until the pipe is full; return how many bytes that were."""
    os.set_blocking(pipe.raw, False)
    taken = 0
    with contextlib.suppress(BlockingIOError):
        while taken < most:
            taken += os.write(pipe.raw, framed(bytes(1000)))
            await anyio.lowlevel.checkpoint()
            await anyio.wait_all_tasks_blocked()
    return taken


async def received(pipe: Pipe) -> bytes:
    with anyio.fail_after(60):
        return bytes(await pipe.reader.receive())


@pytest.mark.parametrize("first", SIZES)
async def test_frames_of_any_sizes_arrive_whole_and_in_order(pipe: Pipe, first: int) -> None:
    sent = [bytes([number + 1]) * size for number, size in enumerate((first, *SIZES, first))]
    async with anyio.create_task_group() as tasks:

        async def send_all() -> None:
            for data in sent:
                await pipe.writer.send(data)

        tasks.start_soon(send_all)
        for data in sent:
            assert await received(pipe) == data


async def test_a_frame_that_comes_byte_by_byte_is_one_frame(pipe: Pipe) -> None:
    async with anyio.create_task_group() as tasks:

        async def drip() -> None:
            for byte in framed(b"hello") + framed(b"again"):
                os.write(pipe.raw, bytes([byte]))
                await anyio.wait_all_tasks_blocked()

        tasks.start_soon(drip)
        assert await received(pipe) == b"hello"
        assert await received(pipe) == b"again"


async def test_frames_of_several_senders_do_not_mix(pipe: Pipe) -> None:
    sent = [bytes([number]) * 150_000 for number in range(5)]
    async with anyio.create_task_group() as tasks:
        for data in sent:
            tasks.start_soon(pipe.writer.send, data)
        assert [await received(pipe) for _ in sent] == sent


async def test_what_nobody_reads_stays_in_the_pipe(pipe: Pipe) -> None:
    """The reader has been waiting, so that the loop watches the pipe for it."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pipe.writer.send, b"first")
        assert await received(pipe) == b"first"
    assert await poured(pipe, most=100 * PIPE_BYTES) <= 2 * PIPE_BYTES


async def test_a_reader_that_is_cancelled_loses_nothing(pipe: Pipe) -> None:
    data = bytes(range(256)) * 1000
    sent = framed(data) + framed(b"next")
    with anyio.move_on_after(0.01):
        await pipe.reader.receive()
    for at in range(0, len(sent), 50_000):
        os.write(pipe.raw, sent[at : at + 50_000])
        with anyio.move_on_after(0.01) as scope:
            got = await pipe.reader.receive()
    assert not scope.cancelled_caught
    assert bytes(got) == data
    assert await received(pipe) == b"next"


async def test_a_sender_that_is_cancelled_leaves_no_half_frame(pipe: Pipe) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pipe.writer.send, bytes(300_000))
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            assert await received(pipe) == bytes(300_000)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pipe.writer.send, b"next")
        assert await received(pipe) == b"next"


async def test_a_peer_that_does_not_read_costs_a_cancelled_sender_its_pipe(pipe: Pipe) -> None:
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pipe.writer.send, bytes(300_000))
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    with pytest.raises(OSError, match="closed"):
        await pipe.writer.send(b"next")


@pytest.mark.parametrize("part", [b"\0", framed(b"hello")[:-1], framed(bytes(200_000))[:-1]])
async def test_a_cut_frame_is_no_end(pipe: Pipe, part: bytes) -> None:
    async with anyio.create_task_group() as tasks:

        async def cut() -> None:
            os.set_blocking(pipe.raw, False)
            rest = part
            while rest:
                rest = rest[os.write(pipe.raw, rest[:30_000]) :]
                await anyio.wait_all_tasks_blocked()
            pipe.shut()

        tasks.start_soon(cut)
        with pytest.raises(FrameError, match="inside a frame"):
            await received(pipe)


async def test_the_end_between_two_frames_is_told_each_time(pipe: Pipe) -> None:
    os.write(pipe.raw, framed(b"last"))
    pipe.shut()
    assert await received(pipe) == b"last"
    for _ in range(2):
        with pytest.raises(EndOfFrames):
            await received(pipe)


async def test_a_frame_above_the_limit_is_not_read(pipe: Pipe) -> None:
    os.write(pipe.raw, (MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(FrameError, match="are allowed"):
        await received(pipe)
    with pytest.raises(FrameError, match="are allowed"):
        await pipe.writer.send(bytes(MAX_FRAME_BYTES + 1))


async def test_who_waits_for_a_frame_is_told_that_this_end_was_closed(pipe: Pipe) -> None:
    async with anyio.create_task_group() as tasks:

        async def close() -> None:
            pipe.reader.close()

        tasks.start_soon(close)
        with pytest.raises(OSError, match="closed"):
            await received(pipe)
    with pytest.raises(OSError, match="closed"):
        await received(pipe)
