"""A Starlette application on 127.0.0.1, in a thread with its own event loop."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 60.0


class _Server(uvicorn.Server):
    """Tells when it accepts connections."""

    def __init__(self, config: uvicorn.Config, started: threading.Event) -> None:
        super().__init__(config)
        self._up = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._up.set()


class LocalServer:
    """Base of the fake servers: a context manager that owns one port and one thread.

    Sync tests, async tests, the demo and the benchmark can all use it, because nothing runs
    on the caller's event loop. Subclasses give `_application()` and may override `_closing()`,
    which runs on the server's loop before shutdown and must release every held request.
    """

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._socket.getsockname()[1]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._started = threading.Event()

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:PORT`, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve. Returns when requests are accepted; raises RuntimeError when that fails."""
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)
        self._thread.start()
        if not self._started.wait(_START_TIMEOUT):
            raise RuntimeError(f"{type(self).__name__} did not start in {_START_TIMEOUT} s")

    def stop(self) -> None:
        """Stop serving and end the thread. Calling it again does nothing."""
        thread, loop, server = self._thread, self._loop, self._server
        self._thread = None
        if thread is None or loop is None or server is None:
            self._socket.close()
            return
        with suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(self._closing)
            server.should_exit = True
        thread.join(_STOP_TIMEOUT)
        self._socket.close()

    def _run(self) -> None:
        application = self._application()
        application.add_exception_handler(ClientDisconnect, _nobody_there)
        config = uvicorn.Config(
            application,
            log_level="error",
            access_log=False,
            lifespan="off",
            loop="asyncio",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=60,
        )
        self._server = _Server(config, self._started)
        asyncio.run(self._serve(self._server))

    async def _serve(self, server: uvicorn.Server) -> None:
        self._loop = asyncio.get_running_loop()
        await server.serve(sockets=[self._socket])

    def _on_loop(self, callback: Any, *args: Any) -> None:
        """Run `callback` soon on the server's loop; ignored when the server is down."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback, *args)

    def _application(self) -> Starlette:
        raise NotImplementedError

    def _closing(self) -> None:
        """Release held requests (server's loop)."""


async def _nobody_there(_request: Request, _error: Exception) -> Response:
    """Answer a client that left in the middle of its request, as a killed gateway does."""
    return Response(status_code=499)
