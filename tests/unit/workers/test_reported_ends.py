"""Return codes that other processes report: a sandbox waits for them, and some never come."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys

import anyio
import pytest

from hermes_router.profiles.model import Profile
from hermes_router.workers.fork_client import ForkedChild, ForkServer
from hermes_router.workers.launchers import Child, LaunchSpec, bubblewrap
from hermes_router.workers.unexpected_ends import UnexpectedEnds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sandboxes need Linux")


async def ended_child() -> ForkedChild:
    """Return a process that has ended, whose return code was not reported yet."""
    process = subprocess.Popen(["true"])  # noqa: ASYNC220 - it ends at once
    child = ForkedChild(os.pidfd_open(process.pid))
    await child.gone()
    process.wait()
    return child


async def test_a_sandbox_is_open_until_the_last_return_code_was_reported() -> None:
    sandbox = bubblewrap._Sandbox()
    closed = anyio.Event()
    sandbox._forget = functools.partial(closed.set)
    child = await ended_child()
    sandbox.keep(child)
    with anyio.move_on_after(0.2):
        await closed.wait()
    assert sandbox.open
    child.report(3)
    with anyio.fail_after(10):
        await closed.wait()
    assert await child.wait() == 3


async def test_a_sandbox_that_was_killed_takes_no_more_processes() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sandbox = bubblewrap._Sandbox()
    server = sandbox._server = ForkServer(ours, shared_fate=True)
    sandbox.keep(await ended_child())
    before = sandbox.usable
    theirs.close()
    with anyio.fail_after(10):
        await server.ready.wait()
    assert (before, sandbox.usable, sandbox.open) == (True, False, True)
    await server.close()


async def test_a_sandbox_is_closed_if_nobody_reports() -> None:
    sandbox = bubblewrap._Sandbox()
    closed = anyio.Event()
    sandbox._forget = functools.partial(closed.set)
    sandbox.keep(await ended_child())
    with anyio.fail_after(10):
        await closed.wait()


@pytest.mark.parametrize(("reported", "counted"), [((), 0), ((0,), 0), ((3,), 1)])
async def test_an_end_that_nobody_reports_is_no_unexpected_one(
    reported: tuple[int, ...], counted: int, profile: Profile
) -> None:
    ends, child = UnexpectedEnds(), await ended_child()
    for returncode in reported:
        child.report(returncode)

    async def launch(_spec: LaunchSpec) -> Child:
        return child

    spec = LaunchSpec(
        profile=profile, worker_id="one", environment={}, cwd=profile.home, log=2, grace=1.0
    )
    started = await ends.counting(launch)(spec)
    assert await started.wait() == (reported[0] if reported else None)
    assert ends.of(profile.name) == counted
