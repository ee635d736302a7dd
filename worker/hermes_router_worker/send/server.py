"""The server to which a worker's own processes give the messages that they want to send.

It is a Unix socket in a folder that only this user can enter, inside the worker's TMPDIR. A process
that connects must descend from this worker; other processes of the same user are refused. Each
message goes to the gateway over the worker's pipe, and the gateway decides.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec.structs import replace

from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import EndOfFrames, FrameError, FrameReader, FrameWriter
from hermes_router.protocol.system import proc
from hermes_router_worker.process import lineage
from hermes_router_worker.process.connection import Connection
from hermes_router_worker.send import shim

logger = logging.getLogger(__name__)

#: Bytes that a Unix socket's address may have, including the zero at its end.
_ADDRESS_BYTES = 104

_AT_ONCE = 16


async def serve_children(link: Connection, delivery_scope: msg.DeliveryScope) -> None:
    """Serve what the worker's own processes send, until this is cancelled.

    A session or a job runs it as a task. From now on, the command ``hermes`` of new processes sends
    to this worker, so begin it before any process is started. It returns at once if the system
    cannot tell which process sends, or if the socket cannot be made; both are logged.
    """
    if not lineage.peers_are_known():
        logger.info("this system does not say which process connects: `hermes send` does not work")
        return
    try:
        address = shim.lay_out(Path(os.environ["TMPDIR"]))
        counter = SendServer(link, delivery_scope, address, lineage.roots())
    except OSError as error:
        logger.warning("`hermes send` does not work in this worker: %s", error)
        return
    await counter.serve()


class SendServer:
    """Takes requests from processes that the worker started, and passes them to the gateway.

    They connect to the socket ``path``, and are told ``delivery_scope``: where they may send. A
    process that does not descend from one of ``ancestors`` is refused, and so is a 17th one at
    once. Use it in the loop that reads the worker's pipe.
    """

    def __init__(
        self,
        link: Connection,
        delivery_scope: msg.DeliveryScope,
        path: Path,
        ancestors: frozenset[int],
    ) -> None:
        self._link = link
        self._reach = delivery_scope
        self._ancestors = ancestors
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(0)
        with address_of(path) as address:
            self._socket.bind(address)
        self._socket.listen(_AT_ONCE)

    async def serve(self) -> None:
        """Accept connections until this is cancelled; then close all."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                connection, _ = await loop.sock_accept(self._socket)
                task = asyncio.create_task(self._attend(connection))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            self._socket.close()
            for task in self._tasks:
                task.cancel()

    async def _attend(self, connection: socket.socket) -> None:
        with connection:
            pid = lineage.peer_of(connection)
            if len(self._tasks) > _AT_ONCE or not lineage.descends(pid, self._ancestors):
                logger.warning("process %d may not send here; its connection was closed", pid)
                return
            reader = FrameReader(os.dup(connection.fileno()))
            writer = FrameWriter(os.dup(connection.fileno()))
        try:
            await writer.send(msg.encode(msg.Told(delivery_scope=self._reach)))
            await self._take_in(reader, writer)
        except (EndOfFrames, OSError):
            pass  # the process has sent everything
        except (FrameError, msgspec.MsgspecError) as error:
            logger.warning("process %d sent an invalid request: %s", pid, error)
        finally:
            reader.close()
            writer.close()

    async def _take_in(self, reader: FrameReader, writer: FrameWriter) -> None:
        """Pass on one message after the other; streams get numbers of the worker's own."""
        streams: dict[int, int] = {}
        while True:
            message = msg.decode_from_child(await reader.receive())
            if isinstance(message, msg.Chunk):
                number = streams.setdefault(message.stream, self._link.number())
                await self._link.send(replace(message, stream=number))
                continue
            if isinstance(message, msg.Deliver):
                message = replace(message, files=[_renumbered(f, streams) for f in message.files])
            await writer.send(msg.encode(await self._link.pass_on(message)))


def _renumbered(file: msg.FileRef, streams: dict[int, int]) -> msg.FileRef:
    return replace(file, stream=streams.pop(file.stream, file.stream))


@contextlib.contextmanager
def address_of(path: Path) -> Iterator[str]:
    """Yield an address for a socket at ``path`` that is short enough for the system.

    A Unix socket's address has about 100 bytes at most. For a longer path, the address goes through
    an open folder, and is valid only in the block.
    """
    if len(os.fsencode(path)) < _ADDRESS_BYTES:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"{proc.own()}/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
