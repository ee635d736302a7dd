"""A child process that another process started: what the gateway knows of its end."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import anyio
import pytest

from hermes_router.protocol import template as msg
from hermes_router.workers.fork_client import ForkedChild, ForkServer


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as made:
        yield made
        made.kill()


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="NOT SHOWN: no pidfds here")
async def test_the_descriptor_of_a_child_is_closed_when_the_child_has_ended(
    process: subprocess.Popen[bytes],
) -> None:
    descriptor = os.pidfd_open(process.pid)
    child = ForkedChild(descriptor)
    waiting = [asyncio.create_task(child.gone()) for _ in range(2)]
    await anyio.sleep(0.05)
    assert not has_ended(child)
    child.report(-signal.SIGTERM)
    child.send_signal(signal.SIGTERM)
    with anyio.fail_after(30):
        await asyncio.gather(*waiting)
        assert await child.wait() == -signal.SIGTERM
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert has_ended(child)
    child.send_signal(signal.SIGTERM)  # does nothing: the number may mean another file now


def has_ended(child: ForkedChild) -> bool:
    return child.ended


async def test_a_start_for_which_no_second_pipe_is_left_keeps_no_descriptor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    pipe = os.pipe

    def one_only() -> tuple[int, int]:
        if made:
            raise OSError(errno.EMFILE, "too many open files")
        made.extend(pipe())
        return made[0], made[1]

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        server = ForkServer(ours)
        monkeypatch.setattr(os, "pipe", one_only)
        with pytest.raises(OSError, match="too many open files"):
            await server.start(msg.Fork(worker_id="a", environment={}, grace=1, limits={}), 2)
        await server.close()
    for descriptor in made:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(descriptor)
