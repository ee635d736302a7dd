"""The status socket, on which a running gateway reports its state to its own user.

No client can slow down turns, even if it hangs or sends too much or garbage. The gateway answers
only a few clients at a time and one short request of each, and makes an answer at most twice a
second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from hermes_router.base.tasks import cancel
from hermes_router.observe.clients import Clients
from hermes_router.observe.fresh import Fresh
from hermes_router.observe.status import messages
from hermes_router.observe.status.unix_path import short

logger = logging.getLogger(__name__)

#: Seconds after which a socket that could not be made is tried again.
_AGAIN_SECONDS = 30.0


class StatusServer:
    """Answers on the status socket of one gateway; ``answer`` returns the answer to a request."""

    def __init__(
        self, home: Path, answer: Callable[[messages.Ask], Awaitable[messages.Answer]]
    ) -> None:
        self._path = messages.socket_of(home)
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._again: asyncio.Task[None] | None = None
        self._inode = 0
        self._clients = Clients(
            self._answered,
            faults=(ValueError,),
            failure="the answer for hermes-router status failed",
            allowed=lambda writer: _is_own(writer.get_extra_info("socket")),
        )
        self._fresh = Fresh()

    async def start(self) -> None:
        """Start to listen. If the socket cannot be made, log that, and try again now and then."""
        try:
            await self._listen()
        except OSError as error:
            logger.warning(
                "hermes-router status does not work until this is over: %s: %s", self._path, error
            )
            self._again = asyncio.create_task(self._listen_in_the_end())

    async def _listen_in_the_end(self) -> None:
        while self._server is None:
            await asyncio.sleep(_AGAIN_SECONDS)
            with contextlib.suppress(OSError):
                await self._listen()

    async def _listen(self) -> None:
        listener = self._bound()
        self._server = await asyncio.start_unix_server(
            self._clients.serve, sock=listener, limit=messages.MAX_REQUEST
        )

    async def stop(self) -> None:
        """Stop listening and remove the socket, unless it is already that of the next gateway."""
        await cancel(self._again)
        if self._server is None:
            return
        self._server.close()
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _bound(self) -> socket.socket:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)  # Hermes allows only one gateway for a home
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with short(self._path) as name:
                listener.bind(name)
            self._path.chmod(0o600)
        except BaseException:
            listener.close()
            raise
        self._inode = self._path.stat().st_ino
        return listener

    async def _answered(self, reader: asyncio.StreamReader) -> bytes:
        line = await reader.readline()
        try:
            ask = messages.decode_ask(line)
        except msgspec.MsgspecError:
            return messages.encode(messages.Answer(error="that is not a request"))
        if ask.version != messages.VERSION or ask.ask not in messages.ASKS:
            error = f"this gateway answers version {messages.VERSION}: {', '.join(messages.ASKS)}"
            return messages.encode(messages.Answer(error=error))
        return await self._fresh.of(ask.ask, lambda: self._encoded(ask))

    async def _encoded(self, ask: messages.Ask) -> bytes:
        return messages.encode(await self._answer(ask))


def _is_own(connection: socket.socket) -> bool:
    """Return True if the client is this process's user or root.

    On systems that cannot tell, the mode of the socket's file keeps other users away.
    """
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    _pid, user, _group = struct.unpack("3i", credentials)
    return user in {os.getuid(), 0}
