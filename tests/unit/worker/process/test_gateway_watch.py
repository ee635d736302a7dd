"""A process that is busy with something else ends with its gateway all the same."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="templates need Linux")

_PROGRAM = """
import ctypes, os, socket, sys, time
from hermes_router_worker.process.gateway_watch import ended_with
control = socket.socket(fileno=int(sys.argv[1]))
with ended_with(control):
    os.write(1, b"b")
    {inside}
os.write(1, b"e")
{after}
"""

_SLEEPS = "time.sleep(60)"
#: Holds the interpreter's lock meanwhile, as a C extension may.
_HOLDS = "ctypes.PyDLL(None).sleep(60)"


@contextmanager
def running(
    inside: str, after: str = ""
) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """Start a process that is in its block, with our end of the socket; end it after the block."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    program = _PROGRAM.format(inside=inside, after=after)
    line = [sys.executable, "-c", program, str(theirs.fileno())]
    with (
        ours,
        subprocess.Popen(line, stdout=subprocess.PIPE, pass_fds=[theirs.fileno()]) as process,
    ):
        theirs.close()
        try:
            assert process.stdout is not None
            assert process.stdout.read(1) == b"b"
            yield process, ours
        finally:
            process.kill()


@pytest.mark.parametrize("inside", [_SLEEPS, _HOLDS], ids=["sleeps", "holds the interpreter"])
@pytest.mark.parametrize("stopped", [False, True], ids=["runs", "stopped"])
def test_it_ends_when_the_gateway_is_gone(inside: str, *, stopped: bool) -> None:
    with running(inside) as (process, ours):
        watchers = psutil.Process(process.pid).children()
        assert len(watchers) == 1
        if stopped:
            process.send_signal(signal.SIGSTOP)
        ours.close()
        assert process.wait(20) == -signal.SIGKILL
        psutil.wait_procs(watchers, timeout=20)
        assert not any(map(psutil.Process.is_running, watchers))


def test_the_gateway_sees_its_end_at_once() -> None:
    """Nothing else may hold the other end of the socket."""
    with running(_SLEEPS) as (process, ours):
        ours.settimeout(0.5)
        with pytest.raises(TimeoutError):
            ours.recv(1)
        process.kill()
        ours.settimeout(20)
        assert ours.recv(1) == b""


def test_after_its_work_it_has_no_child_and_looks_for_itself() -> None:
    with running("pass", "os.write(1, control.recv(1) + b'.')") as (process, ours):
        assert process.stdout is not None
        assert process.stdout.read(1) == b"e"
        assert psutil.Process(process.pid).children() == []
        ours.close()
        assert process.stdout.read(1) == b"."
        assert process.wait(20) == 0


def test_it_may_still_end_by_itself_for_a_moment() -> None:
    """The gateway closes the socket too when it retires what it prepares."""
    with running("time.sleep(0.3)", "os._exit(7)") as (process, ours):
        ours.close()
        assert process.wait(20) == 7
