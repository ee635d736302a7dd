"""The socket on which a running gateway says what it does: to its own user, and nothing else.

Whatever a client does - hangs, floods, sends nonsense - costs turns nothing: a few clients at once,
one short request each, and answers that are made at most twice a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from hermes_router.observe.status import messages as status
from hermes_router.observe.status.unix_path import short

logger = logging.getLogger(__name__)

_CLIENTS = 8
_SECONDS = 5.0
_FRESH_SECONDS = 0.5


class StatusServer:
    """Answers on the socket of one gateway; ``answer`` makes the answer to a request."""

    def __init__(
        self, home: Path, answer: Callable[[status.Ask], Awaitable[status.Answer]]
    ) -> None:
        self._path = status.socket_of(home)
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._inode = 0
        self._clients = 0
        self._made: dict[str, tuple[float, bytes]] = {}
        self._making = asyncio.Lock()

    async def start(self) -> None:
        """Listen; a gateway that cannot works all the same."""
        try:
            listener = self._bound()
            self._server = await asyncio.start_unix_server(
                self._serve, sock=listener, limit=status.MAX_REQUEST
            )
        except OSError as error:
            logger.warning("hermes-router status will not work: %s: %s", self._path, error)

    async def stop(self) -> None:
        """Listen no more; the socket of a gateway that came after this one is left alone."""
        if self._server is None:
            return
        self._server.close()
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _bound(self) -> socket.socket:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)  # Hermes sees to it that one gateway runs per home
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

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients <= _CLIENTS and _is_own(writer.get_extra_info("socket")):
                async with asyncio.timeout(_SECONDS):
                    writer.write(await self._answered(await reader.readline()))
                    await writer.drain()
        except (OSError, ValueError, TimeoutError):
            pass  # a client that hangs, floods, or has gone
        except Exception:
            logger.exception("hermes-router status could not be told")
        finally:
            self._clients -= 1
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()
            else:
                writer.close()

    async def _answered(self, line: bytes) -> bytes:
        try:
            ask = status.decode_ask(line)
        except msgspec.MsgspecError:
            return status.encode(status.Answer(error="that is no request"))
        if ask.version != status.VERSION or ask.ask not in status.ASKS:
            error = f"this gateway answers version {status.VERSION}: {', '.join(status.ASKS)}"
            return status.encode(status.Answer(error=error))
        async with self._making:
            made, text = self._made.get(ask.ask, (0.0, b""))
            if time.monotonic() - made > _FRESH_SECONDS or not text:
                text = status.encode(await self._answer(ask))
                self._made[ask.ask] = (time.monotonic(), text)
            return text


def _is_own(connection: socket.socket) -> bool:
    """Say whether the client is this process's user; the file's mode says the same elsewhere."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    credentials = connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i"))
    _pid, user, _group = struct.unpack("3i", credentials)
    return user in {os.getuid(), 0}
