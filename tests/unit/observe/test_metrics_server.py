"""The page of figures on 127.0.0.1: who gets what, and what a bad client costs."""

from __future__ import annotations

import asyncio
import http.client
import logging
import socket

import pytest

from hermes_router.observe import clients
from hermes_router.observe.metrics_server import MetricsServer

TEXT = "# TYPE hermes_router_routes gauge\nhermes_router_routes 2\n# EOF\n"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def text() -> str:
    return TEXT


def fetch(port: int, method: str, target: str, host: str) -> tuple[int, str, str]:
    """Return status, content type and body of an answer to Python's own client."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, target, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.headers["Content-Type"], answer.read().decode()


async def asked(
    method: str = "GET", target: str = "/metrics", host: str = "127.0.0.1"
) -> tuple[int, str, str]:
    port = free_port()
    server = MetricsServer(port, text)
    await server.start()
    try:
        return await asyncio.to_thread(fetch, port, method, target, host)
    finally:
        await server.stop()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9464", "LOCALHOST"])
def test_the_figures_are_at_one_place(host: str) -> None:
    status, kind, body = asyncio.run(asked(host=host))
    assert (status, body) == (200, TEXT)
    assert kind.startswith("application/openmetrics-text; version=1.0.0")


@pytest.mark.parametrize(
    ("asks", "status"),
    [
        ({"target": "/"}, 404),
        ({"target": "/metrics/x"}, 404),
        ({"method": "POST"}, 405),
        ({"host": "evil.example"}, 403),  # a page in a browser whose name leads to 127.0.0.1
        ({"host": "127.0.0.1.evil.example"}, 403),
    ],
)
def test_nothing_else_is_answered(asks: dict[str, str], status: int) -> None:
    found, _, body = asyncio.run(asked(**asks))
    assert found == status
    assert "hermes_router_routes" not in body


def test_clients_that_hang_or_flood_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_SECONDS", 0.3)

    async def scene() -> None:
        port = free_port()
        server = MetricsServer(port, text)
        await server.start()
        hanging = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
        flooding, flood = await asyncio.open_connection("127.0.0.1", port)
        flood.write(b"GET / HTTP/1.1\r\n" + b"x" * 100_000)
        assert await asyncio.wait_for(_rest(flooding), 10) == b""
        for reader, _writer in hanging:
            assert await asyncio.wait_for(_rest(reader), 10) == b""
        status, _, body = await asyncio.to_thread(fetch, port, "GET", "/metrics", "localhost")
        assert (status, body) == (200, TEXT)
        await server.stop()

    asyncio.run(scene())


async def _rest(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


def test_a_port_that_is_taken_is_said_and_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            server = MetricsServer(port, text)
            await server.start()
            await server.stop()
            (said,) = caplog.messages
            assert said.startswith(f"metrics.port: the gateway cannot listen on 127.0.0.1:{port}: ")

    with caplog.at_level(logging.WARNING):
        asyncio.run(scene())
