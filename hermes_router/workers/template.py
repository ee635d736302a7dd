"""A template process as the gateway sees it: the gateway asks it to fork workers."""

from __future__ import annotations

import socket
import sys

import anyio

from hermes_router.base.errors import TemplateUnfit, WorkerStartError
from hermes_router.protocol import template as msg
from hermes_router.protocol.system.start import WORKER_VARIABLE
from hermes_router.workers.fork_client import ForkServer
from hermes_router.workers.launchers import Child, LaunchSpec
from hermes_router.workers.process import WorkerOrder, WorkerProcess, start_worker

_PREPARE_SECONDS = 120.0

#: The environment variables in which a forked worker differs from its template.
_OWN_NAMES = ("TMPDIR", WORKER_VARIABLE)


def templates_work_here() -> bool:
    """Return True if this system can fork prepared processes safely (Linux)."""
    return sys.platform.startswith("linux")


class Template:
    """A process of one profile that has imported Hermes, and forks workers on request.

    :meth:`start` makes it; :meth:`retire` ends it.
    """

    def __init__(self, process: WorkerProcess, control: socket.socket) -> None:
        self._process = process
        self.pid = process.pid
        self._forks = ForkServer(control)

    @property
    def prepared(self) -> bool:
        """True if the template can fork workers now."""
        return self._forks.prepared

    @property
    def ended(self) -> bool:
        """True if the template is known to have ended."""
        return self._forks.ended

    @classmethod
    async def start(cls, order: WorkerOrder) -> Template:
        """Start a template and wait until it can fork.

        Raises:
            ProfileError: the profile's home cannot be used.
            TemplateUnfit: the profile's own code, such as a plugin, makes a fork unsafe.
            WorkerStartError: the template could not be started, or was not ready within 120 s.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            process = await start_worker(order, control=theirs.fileno())
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        template = cls(process, ours)
        try:
            with anyio.move_on_after(_PREPARE_SECONDS):
                await template._forks.ready.wait()
        finally:
            if not template.prepared:
                await template.retire()
        if template._forks.unfit:
            raise TemplateUnfit(
                f"the template may not fork: {template._forks.unfit}",
                profile=order.profile.name,
                where=str(order.log.path),
                hint="the profile's workers are started cold; check what its plugins do when "
                "they are imported",
            )
        if not template.prepared:
            raise WorkerStartError(
                "the template could not be prepared",
                profile=order.profile.name,
                where=str(order.log.path),
            )
        return template

    async def launch(self, spec: LaunchSpec) -> Child:
        """Fork a worker from the template; this method can be used as a launcher.

        Raises:
            OSError: the template refused, or has ended.
        """
        request = msg.Fork(
            worker_id=spec.worker_id,
            environment={name: spec.environment[name] for name in _OWN_NAMES},
            grace=spec.grace,
            limits=dict(spec.limits),
        )
        child = await self._forks.start(request, spec.log)
        self._process.keep(child)
        return child

    async def retire(self) -> None:
        """End the template, because it is too old or unused. The workers that it forked go on."""
        with anyio.CancelScope(shield=True):
            await self._forks.close()
            await self._process.end(patience=1.0)
