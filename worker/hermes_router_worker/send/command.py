"""``hermes`` in a process that a worker started: the same command, but it sends by the worker.

The program that :mod:`hermes_router_worker.send.shim` puts first in PATH starts it. Only commands
for the worker's own profile send by the worker: ``hermes -p another`` works as without this module.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import socket
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import EndOfFrames, FrameError, FrameReader
from hermes_router_worker.hermes.features import kanban
from hermes_router_worker.hermes.on_import import once_imported
from hermes_router_worker.hermes.sending.engine import ENGINE
from hermes_router_worker.hermes.startup import installed
from hermes_router_worker.hermes.startup.program import command_line
from hermes_router_worker.process.connection import Connection
from hermes_router_worker.process.scratch import SANDBOX_VARIABLE
from hermes_router_worker.send import engine, shim
from hermes_router_worker.send.server import address_of
from hermes_router_worker.send.transport import Gateway

_T = TypeVar("_T")

#: Seconds that the worker may take to greet a process of its own.
_GREETING_SECONDS = 30.0


def main() -> Any:
    """Run ``hermes`` with this process's arguments; return what Hermes's own ``main`` returns.

    Started in place of ``hermes`` below a worker. A command for the worker's own profile sends by
    the worker; without a living worker, only its sending fails.
    """
    home = os.environ.get("HERMES_HOME")
    sys.argv[0] = "hermes"
    if SANDBOX_VARIABLE in os.environ:
        installed.silence_check()
    command = command_line()
    kanban.hide_if_told()
    if home and os.environ.get("HERMES_HOME") == home:
        kanban.sign(Path(home).name)
        once_imported(ENGINE, lambda _module: _connect())
        default_to_origin(sys.argv)
    return command.main()


def _connect() -> None:
    """Connect this process's send engine to the worker; on failure, sending reports the error."""
    path = Path(os.environ[shim.SOCKET_VARIABLE])
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with address_of(path) as address:
            connection.connect(address)
        counter = _AtTheCounter(connection.detach())
    except (OSError, EndOfFrames, FrameError) as error:
        sys.stderr.write(f"hermes: the worker that sends for this process has ended: {error!r}\n")
        return
    engine.send_through(Gateway(counter.link, counter.loop), counter.delivery_scope)


class _AtTheCounter:
    """The connection to the worker, served by a thread of its own."""

    def __init__(self, fd: int) -> None:
        self.loop = asyncio.new_event_loop()
        reading, writing = os.dup(fd), fd
        self._reader = FrameReader(reading)
        self.link = Connection(os.open(os.devnull, os.O_RDONLY), writing)
        # Not in this thread: it may run an event loop, as the thread of an MCP server does.
        threading.Thread(
            target=self.loop.run_forever, name="hermes-router-send", daemon=True
        ).start()
        self.delivery_scope = self._in_its_thread(self._greeting()).result(_GREETING_SECONDS)
        self._reading = self._in_its_thread(self._read())  # a later caller learns if it has ended

    def _in_its_thread(self, work: Coroutine[Any, Any, _T]) -> concurrent.futures.Future[_T]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    async def _greeting(self) -> msg.DeliveryScope:
        message = msg.decode_to_child(await self._reader.receive())
        if not isinstance(message, msg.Told):
            raise FrameError("the worker did not say where this process may send")
        return message.delivery_scope

    async def _read(self) -> None:
        try:
            while True:
                message = msg.decode_to_child(await self._reader.receive())
                if isinstance(message, msg.Result):
                    self.link.answer(message)
        except (EndOfFrames, FrameError, OSError):
            self.link.close()


#: Options of ``hermes send`` with which it has a target already, or needs none.
_WITH_TARGET = ("-t", "--to", "-l", "--list", "-h", "--help")


def default_to_origin(argv: list[str]) -> None:
    """Add a target to ``hermes send`` in ``argv`` if it has none: the mark ``origin``.

    The mark means the conversation that the work comes from. Any other command stays as it is.
    """
    if argv[1:2] != ["send"]:
        return
    options = argv[2 : argv.index("--")] if "--" in argv else argv[2:]
    names = (option.split("=", 1)[0] for option in options)
    if not any(name in _WITH_TARGET or name.startswith("-t") for name in names):
        argv[2:2] = ["--to", engine.ORIGIN]


if __name__ == "__main__":
    sys.exit(main())
