"""What is left of a worker whose supervisor was killed, which else ends all processes itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import anyio
import anyio.to_thread
import psutil
import pytest

from hermes_router.profiles.model import Profile
from hermes_router.protocol.system.start import WORKER_VARIABLE
from hermes_router.workers.pool import WorkerPool
from hermes_router.workers.process import start_worker, sweep
from tests.kit.workers.made_up import QUICK, Use

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="NOT SHOWN: only Linux has /proc")

#: What a prepared worker forks has the environment of its template, so not the worker's mark.
_FORKS = """
import os, time
if os.fork():
    time.sleep(60)
os.write(1, f"{os.getpid()}\\n".encode())
time.sleep(60)
"""


@pytest.fixture
def leader() -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """Start a process with a session of its own, and return it with the child that it forked."""
    line = [sys.executable, "-S", "-c", _FORKS]
    environment = {**os.environ, WORKER_VARIABLE: "template"}
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, start_new_session=True, env=environment
    ) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        try:
            yield process, child
        finally:
            process.kill()
            if child.is_running():
                child.kill()


def test_what_it_forked_without_running_a_program_is_ended(
    leader: tuple[subprocess.Popen[bytes], psutil.Process],
) -> None:
    supervisor, child = leader
    assert sweep("worker", supervisor.pid) == [], "as long as it runs it ends them itself"
    supervisor.kill()
    supervisor.wait(20)
    assert sweep("worker") == []
    assert child.is_running()
    assert sweep("worker", supervisor.pid) == [child.pid]
    psutil.wait_procs([child], timeout=20)
    assert not child.is_running()


def test_what_has_the_workers_mark_is_ended_in_any_session(
    leader: tuple[subprocess.Popen[bytes], psutil.Process],
) -> None:
    supervisor, child = leader
    assert sorted(sweep("template")) == sorted([supervisor.pid, child.pid])


async def test_the_end_of_a_worker_looks_for_what_has_no_mark(
    profile: Profile, worker: Use
) -> None:
    worker(
        "import subprocess\n"
        "left = subprocess.Popen(['sleep', '60'], env={}, stdout=2)\n"
        "os.write(1, b'%d\\n' % left.pid)\n"
        "time.sleep(60)\n"
    )
    order = WorkerPool(dict(os.environ), budget=0).order(profile, QUICK)
    with anyio.fail_after(60):
        started = await start_worker(order)
        await anyio.wait_readable(started._child.inbound)
        left = psutil.Process(int(os.read(started._child.inbound, 100)))
        os.kill(started.pid, signal.SIGKILL)
        assert await started.end() == -signal.SIGKILL
        await anyio.to_thread.run_sync(psutil.wait_procs, [left], 20)
    assert not left.is_running()
