"""The ``local`` launcher: it starts a process of the same user, with its own environment."""

from __future__ import annotations

import os
import subprocess

import anyio
import anyio.to_thread

from hermes_router.base.pipes import pipes_to_child
from hermes_router.protocol.template import LOG_DESCRIPTOR
from hermes_router.workers import launchers
from hermes_router.workers.launchers import Child, LaunchSpec, scope


async def launch(spec: LaunchSpec) -> Child:
    """Start a worker or a template of ``spec.profile`` as a process of the gateway's user.

    Raises:
        OSError: the system refused to start a process.
    """
    with spec.start_output() as output:
        # Not cancellable: a cancelled call would leave a process that no object holds.
        return await anyio.to_thread.run_sync(
            _spawn, spec, output.descriptor, abandon_on_cancel=False
        )


def command(spec: LaunchSpec) -> list[str]:
    """Return the command line that the launcher runs for ``spec``, without a control group."""
    template = ["--template", str(spec.control)] if spec.control is not None else []
    return [*launchers.command(spec), *template]


def _spawn(spec: LaunchSpec, stderr: int) -> _LocalChild:
    with pipes_to_child() as pipes:
        passed, own = spec.control, spec.environment
        if passed is None:
            passed, own = spec.log, {**own, LOG_DESCRIPTOR: str(spec.log)}
        line, environment = scope.within(spec, command(spec), own, shared=spec.control is not None)
        process = subprocess.Popen(
            line,
            stdin=pipes.child_in,
            stdout=pipes.child_out,
            stderr=stderr,
            cwd=spec.cwd,
            env=environment,
            start_new_session=True,
            pass_fds=[passed],
        )
    return _LocalChild(process, inbound=pipes.inbound, outbound=pipes.outbound)


class _LocalChild:
    def __init__(self, process: subprocess.Popen[bytes], *, inbound: int, outbound: int) -> None:
        self._process = process
        self.pid = process.pid
        self.inbound = inbound
        self.outbound = outbound

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    async def wait(self) -> int | None:
        if self._process.returncode is None:
            await _wait_for_end(self._process)
        return self._process.wait()

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def keep(self, other: Child) -> None:
        """Do nothing: a local process has no sandbox to keep."""


async def _wait_for_end(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a process; use no thread if the kernel has pidfds."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
        return
    try:
        await anyio.wait_readable(descriptor)
    finally:
        anyio.notify_closing(descriptor)
        os.close(descriptor)
