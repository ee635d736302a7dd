"""The socket at which a worker's own processes send, with real sockets, pipes and processes."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import EndOfFrames, FrameReader, FrameWriter
from hermes_router_worker.process import lineage
from hermes_router_worker.process.connection import Connection
from hermes_router_worker.send.server import SendServer, address_of

HERE = msg.Place(platform="telegram", chat_id="-100", thread_id="6")
REACH = msg.DeliveryScope(platforms=["telegram"], origin=HERE)
pytestmark = pytest.mark.skipif(
    not lineage.peers_are_known(), reason="NOT SHOWN: sockets do not tell their peers here"
)


class Gateway:
    """The far end of the worker's pipe: answers what is passed on."""

    def __init__(self) -> None:
        down, up = os.pipe(), os.pipe()
        self.link = Connection(down[0], up[1])
        self._reader, self._writer = FrameReader(up[0]), FrameWriter(down[1])
        self.delivered: list[tuple[msg.Deliver, bytes]] = []

    async def serve(self) -> None:
        """Answer each message; refuse what says so."""
        data = b""
        while True:
            message = msg.decode_from_worker(await self._reader.receive())
            if isinstance(message, msg.Chunk):
                data += message.data
            elif isinstance(message, msg.Deliver):
                self.delivered.append((message, data))
                refused = "not there" if message.text == "refuse" else None
                result = msg.Result(
                    call=message.id, value={"success": True}, error=refused, refused=bool(refused)
                )
                await self._writer.send(msg.encode(result))

    async def answer(self) -> None:
        """Hand the answers to who waits for them."""
        while True:
            message = await self.link.receive()
            if isinstance(message, msg.Result):
                self.link.answer(message)


@asynccontextmanager
async def counter(path: Path, ancestors: frozenset[int]) -> AsyncIterator[Gateway]:
    gateway = Gateway()
    served = SendServer(gateway.link, REACH, path, ancestors)
    tasks = [asyncio.create_task(work()) for work in (served.serve, gateway.serve, gateway.answer)]
    try:
        yield gateway
    finally:
        for task in tasks:
            task.cancel()


def connected(path: Path) -> tuple[FrameReader, FrameWriter]:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with address_of(path) as address:
        connection.connect(address)
    fd = connection.detach()
    return FrameReader(os.dup(fd)), FrameWriter(fd)


ME = frozenset({os.getpid()})


async def test_what_is_handed_in_reaches_the_gateway_with_its_file(tmp_path: Path) -> None:
    async with counter(tmp_path / "send", ME) as gateway:
        reader, writer = connected(tmp_path / "send")
        told = msg.decode_to_child(await reader.receive())
        assert told == msg.Told(delivery_scope=REACH)
        await writer.send(msg.encode(msg.Chunk(stream=7, data=b"bytes")))
        file = msg.FileRef(stream=7, name="a.txt", size=5)
        sent = msg.Deliver(id=7, platform="telegram", chat_id="-100", text="hi", files=[file])
        await writer.send(msg.encode(sent))
        result = msg.decode_to_child(await reader.receive())
        assert result == msg.Result(call=7, value={"success": True})
        ((delivered, data),) = gateway.delivered
        assert (delivered.text, delivered.files[0].name, data) == ("hi", "a.txt", b"bytes")
        reader.close()
        writer.close()


async def test_a_refusal_comes_back(tmp_path: Path) -> None:
    async with counter(tmp_path / "send", ME):
        reader, writer = connected(tmp_path / "send")
        await reader.receive()
        sent = msg.Deliver(id=1, platform="telegram", chat_id="-1", text="refuse")
        await writer.send(msg.encode(sent))
        result = msg.decode_to_child(await reader.receive())
        assert isinstance(result, msg.Result)
        assert (result.error, result.refused) == ("not there", True)
        reader.close()
        writer.close()


async def test_who_does_not_descend_from_the_worker_is_turned_away(tmp_path: Path) -> None:
    stranger = frozenset({os.getpid() + 1})
    async with counter(tmp_path / "send", stranger) as gateway:
        reader, writer = connected(tmp_path / "send")
        with pytest.raises(EndOfFrames):
            await reader.receive()
        assert gateway.delivered == []
        reader.close()
        writer.close()


@pytest.mark.parametrize("nonsense", [b"\xff\xff\xff\xff", b"\0\0\0\4junk", b"\0\0"])
async def test_nonsense_ends_one_connection_and_no_other(tmp_path: Path, nonsense: bytes) -> None:
    async with counter(tmp_path / "send", ME):
        good, writer = connected(tmp_path / "send")
        await good.receive()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bad:
            bad.connect(str(tmp_path / "send"))
            bad.send(nonsense)
            bad.shutdown(socket.SHUT_WR)
            bad.setblocking(False)
            while await asyncio.get_running_loop().sock_recv(bad, 65536):
                pass
        await writer.send(msg.encode(msg.Deliver(id=2, platform="telegram", chat_id="-100")))
        assert isinstance(msg.decode_to_child(await good.receive()), msg.Result)
        good.close()
        writer.close()


async def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    async with counter(folder / "send", ME):
        reader, writer = connected(folder / "send")
        assert isinstance(msg.decode_to_child(await reader.receive()), msg.Told)
        reader.close()
        writer.close()


@pytest.mark.parametrize(
    ("pid", "descends"),
    [(lambda child: child, True), (lambda _: os.getpid(), True), (lambda _: 1, False)],
)
def test_descent_is_read_from_the_process_table(
    pid: Callable[[int], int], *, descends: bool
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert lineage.descends(pid(child.pid), ME) is descends
        assert not lineage.descends(os.getpid(), frozenset({child.pid}))
        assert child.stdin is not None
        child.stdin.close()


def test_a_process_that_is_gone_descends_from_nobody() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not lineage.descends(child.pid, frozenset({os.getpid()}))
