"""The HTTP server from which Prometheus reads a gateway's figures: ``metrics.port`` on 127.0.0.1.

It answers one short request on each connection and closes it. Clients cannot slow down turns.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from hermes_router.observe.clients import Clients
from hermes_router.observe.fresh import Fresh

logger = logging.getLogger(__name__)

_HOST = "127.0.0.1"
#: The hosts that a request may name. A web page in a browser names another host, and is refused.
_HOSTS = frozenset({_HOST, "localhost"})
_MAX_REQUEST = 8192
_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_PLAIN = "text/plain; charset=utf-8"


class MetricsServer:
    """Answers ``GET /metrics`` on one port of 127.0.0.1; ``text`` returns the figures."""

    def __init__(self, port: int, text: Callable[[], Awaitable[str]]) -> None:
        self._port = port
        self._text = text
        self._fresh = Fresh()
        self._server: asyncio.Server | None = None
        self._clients = Clients(
            self._answered,
            faults=(EOFError, asyncio.LimitOverrunError),
            failure="the metrics could not be served",
        )

    async def start(self) -> None:
        """Start to listen. If the port cannot be used, log that; the gateway goes on."""
        try:
            self._server = await asyncio.start_server(
                self._clients.serve, _HOST, self._port, limit=_MAX_REQUEST
            )
        except OSError as error:
            logger.warning(
                "metrics.port: the gateway cannot listen on %s:%d: %s", _HOST, self._port, error
            )

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _answered(self, reader: asyncio.StreamReader) -> bytes:
        request = await reader.readuntil(b"\r\n\r\n")
        first, *headers = request.decode("latin-1").split("\r\n")
        method, target, *_version = [*first.split(), "", ""]
        if _host(headers) not in _HOSTS:
            return _response("403 Forbidden", b"ask 127.0.0.1 or localhost\n")
        if target.partition("?")[0] != "/metrics":
            return _response("404 Not Found", b"the figures are at /metrics\n")
        if method != "GET":
            return _response("405 Method Not Allowed", b"only GET is answered\n")
        return _response("200 OK", await self._fresh.of("", self._encoded), _OPENMETRICS)

    async def _encoded(self) -> bytes:
        return (await self._text()).encode()


def _host(headers: list[str]) -> str:
    """Return the host that a request names, without its port; "" if it names none."""
    for header in headers:
        name, _, value = header.partition(":")
        if name.lower() == "host":
            return value.strip().partition(":")[0].lower()
    return ""


def _response(status: str, body: bytes, kind: str = _PLAIN) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body
