"""A child process that another process started: what the gateway knows of its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import anyio
import pytest

from hermes_router.workers.fork_client import ForkedChild


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
