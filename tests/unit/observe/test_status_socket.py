"""Who gets an answer on the status socket, and what a client makes of an answer."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes_router.observe.status import client, messages
from hermes_router.observe.status import server as server_module
from hermes_router.observe.status.client import NoAnswer
from hermes_router.observe.status.server import StatusServer

NOBODY = 65534

AS_USER = """
import os, socket, sys
user, path = int(sys.argv[1]), sys.argv[2]
connection = socket.socket(socket.AF_UNIX)
os.setresuid(user, user, user)
connection.connect(path)
try:
    connection.sendall(b'{"ask": "status"}\\n')
    print(connection.recv(100).decode(), end="")
except (BrokenPipeError, ConnectionResetError):
    pass
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A home in whose socket's folder every user may look."""
    folder = Path(tempfile.mkdtemp(prefix="hr-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def answer(_ask: messages.Ask) -> messages.Answer:
    return messages.Answer(status=messages.Status(pid=1, home="/h", uptime=1.0))


def heard_by(user: int, path: Path) -> str:
    """Return what a process of another user gets on the socket; it must be able to connect."""
    done = subprocess.run(
        [sys.executable, "-c", AS_USER, str(user), str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_another_user_gets_no_answer_even_if_the_mode_lets_him_connect(home: Path) -> None:
    async def scene() -> tuple[str, str]:
        server = StatusServer(home, answer)
        await server.start()
        path = messages.socket_of(home)
        path.parent.chmod(0o755)
        path.chmod(0o666)
        try:
            other = await asyncio.to_thread(heard_by, NOBODY, path)
            return other, await asyncio.to_thread(heard_by, 0, path)
        finally:
            await server.stop()

    other, own = asyncio.run(scene())
    assert other == ""
    assert '"pid":1' in own


@pytest.mark.parametrize("asked", [{"version": 99}, {"ask": "restart"}])
def test_a_gateway_of_another_version_is_told_from_one_that_hangs(
    home: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, object]
) -> None:
    asks = messages.Ask(**asked)  # type: ignore[arg-type]
    monkeypatch.setattr(messages, "Ask", lambda **_: asks)

    async def scene() -> NoAnswer:
        server = StatusServer(home, answer)
        await server.start()
        try:
            with pytest.raises(NoAnswer) as caught:
                await asyncio.to_thread(client.ask, home)
            return caught.value
        finally:
            await server.stop()

    error = asyncio.run(scene())
    assert error.state == "another version"
    assert error.message == "this gateway answers version 1: status, metrics"


def test_a_socket_that_cannot_be_made_is_made_when_there_is_room(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_AGAIN_SECONDS", 0.01)
    folder = messages.socket_of(home).parent
    folder.touch()

    async def scene() -> str:
        server = StatusServer(home, answer)
        await server.start()
        await asyncio.sleep(0.05)
        folder.unlink()
        while not messages.socket_of(home).exists():  # noqa: ASYNC110 - files have no event
            await asyncio.sleep(0.01)
        try:
            return await asyncio.to_thread(lambda: str(client.ask(home)))
        finally:
            await server.stop()

    assert "pid=1" in asyncio.run(asyncio.wait_for(scene(), 20))
    assert not messages.socket_of(home).exists()


def test_a_server_that_never_got_its_socket_can_be_stopped(home: Path) -> None:
    messages.socket_of(home).parent.touch()

    async def scene() -> int:
        server = StatusServer(home, answer)
        await server.start()
        await server.stop()
        return len(asyncio.all_tasks())

    assert asyncio.run(scene()) == 1
