"""One worker process as its parent sees it: messages in and out, the stop ladder, its end.

The process that is started is the worker's supervisor; its end is the end of the whole tree. This
module owns the descriptors and reaps the process. What the messages mean is the turn's business.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from hermes_router import scratch
from hermes_router.config.settings import HARDENED, SEES_ITS_HOME, Hardening, Sandbox
from hermes_router.errors import ProfileError, ProtocolError, WorkerStartError
from hermes_router.profiles import model
from hermes_router.profiles.model import WORKER_VARIABLE, Profile
from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import EndOfFrames, FrameError, FrameReader, FrameWriter
from hermes_router.protocol.size_guard import too_heavy
from hermes_router.protocol.template import LOG_FORMAT, PREPARE_MCP
from hermes_router.workers.flow_control import CALL, FlowControl
from hermes_router.workers.launchers import Child, Launch, LaunchSpec
from hermes_router.workers.worker_log import WorkerLog, one_line

#: Seconds that the system gets to deliver the end of a process that was killed.
_REAP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """What it takes to have a worker: whose, started how, with which environment.

    What the worker prints goes into ``log``.
    """

    profile: Profile
    launch: Launch
    initial: Mapping[str, str]
    passed: Iterable[str]
    log: WorkerLog
    grace: float
    sandbox: Sandbox = SEES_ITS_HOME
    hardening: Hardening = HARDENED
    share: tuple[str, ...] = ()
    limits: tuple[tuple[str, float], ...] = ()
    together: int = 1
    mcp_ahead: bool = False


class WorkerProcess:
    """A started worker. Use :func:`start_worker`, and :meth:`end` it in any case."""

    #: Was it started before there was a message for it?
    prepared = False

    #: The size of the frame that was received last.
    frame_bytes: int

    #: Is it a template? What it forks carries its mark, and must not end with it.
    forks = False

    def __init__(self, child: Child, *, order: WorkerOrder, worker_id: str, tmpdir: Path) -> None:
        self.worker_id = worker_id
        self.pid = child.pid
        self.born = time.monotonic()
        self._child = child
        self._order = order
        self._tmpdir = tmpdir
        self._reader = FrameReader(child.inbound)
        self._writer = FrameWriter(child.outbound)
        self._pace = FlowControl()
        self.frame_bytes = 0

    async def send(self, message: msg.Message) -> None:
        """Send one message; raises ``OSError`` when the worker is gone."""
        await self._writer.send(msg.encode(message))

    async def receive(self) -> msg.FromWorker:
        """Return the worker's next message.

        Raises:
            EndOfFrames: the worker closed its end, as it does when it exits.
            ProtocolError: what came is no message.
        """
        try:
            frame = await self._reader.receive()
            begun = time.perf_counter()
            message = _decoded(frame)
        except OSError as error:
            raise EndOfFrames from error
        except (FrameError, msgspec.MsgspecError, RecursionError) as error:
            raise ProtocolError(
                f"the worker broke the protocol: {one_line(str(error))}",
                profile=self._order.profile.name,
            ) from error
        self.frame_bytes = len(frame)
        del frame  # its memory is free while what it held is worked on
        weight = CALL if isinstance(message, msg.Request) else 1
        spent = time.perf_counter() - begun
        pause = self._pace.pause(spent, weight=weight, waits=self._reader.waits)
        if pause is not None:
            await anyio.sleep(pause)
        return message

    async def messages(self) -> AsyncIterator[msg.FromWorker]:
        """Yield messages until the worker closes its end; raises ``ProtocolError``."""
        while True:
            try:
                yield await self.receive()
            except EndOfFrames:
                return

    async def end(self, *, patience: float = 0.0) -> int | None:
        """End the worker and all that descends from it, and return its return code.

        The ladder: the pipe is closed and the worker gets ``patience`` seconds to exit by itself;
        then its supervisor is asked to end the tree, which kills what has not ended within the
        order's grace time; last, the supervisor itself is killed. None when not even that helped.
        """
        with anyio.CancelScope(shield=True):
            self._writer.close()
            returncode = await self._descend(patience)
            self._reader.close()
            if returncode != 0 and not self.forks:
                await anyio.to_thread.run_sync(sweep, self.worker_id)
            await anyio.to_thread.run_sync(_remove_tree, self._tmpdir)
        return returncode

    @property
    def ended(self) -> bool:
        """Whether the process is known to have ended."""
        return self._child.ended

    async def _descend(self, patience: float) -> int | None:
        ladder = (
            (patience, signal.SIGTERM),
            (self._order.grace + 1, signal.SIGKILL),
            (_REAP_SECONDS, None),
        )
        for seconds, harder in ladder:
            with anyio.move_on_after(seconds):
                return await self._child.wait()
            if harder is not None:
                self._child.send_signal(harder)
        return None

    def keep(self, other: Child) -> None:
        """Keep what the process runs in until ``other``, which it started, has ended too."""
        self._child.keep(other)

    def terminate(self) -> None:
        """Have the supervisor end the tree; who reads the messages will see their end."""
        self._child.send_signal(signal.SIGTERM)


async def start_worker(
    order: WorkerOrder, *, launch: Launch | None = None, control: int | None = None
) -> WorkerProcess:
    """Start a worker, by ``launch`` if that is given; or a template, with its ``control`` socket.

    Raises:
        ProfileError: the profile's home cannot be used.
        WorkerStartError: the system refused to start a process.
    """
    worker_id = uuid.uuid4().hex[:12]
    log, tmpdir = await anyio.to_thread.run_sync(_lay_out, order)
    environment = model.worker_environment(
        order.profile,
        worker_id=worker_id,
        tmpdir=tmpdir,
        initial=order.initial,
        passed=order.passed,
    )
    if order.mcp_ahead and control is not None:
        environment[PREPARE_MCP] = "1"
    if order.log.as_json:
        environment[LOG_FORMAT] = "json"
    spec = LaunchSpec(
        profile=order.profile,
        worker_id=worker_id,
        environment=environment,
        cwd=order.profile.workspace,
        log=log,
        grace=order.grace,
        control=control,
        sandbox=order.sandbox,
        hardening=order.hardening,
        share=order.share,
        limits=order.limits,
        together=order.together,
    )
    try:
        child = await (launch or order.launch)(spec)
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_remove_tree, tmpdir)
        if not isinstance(error, OSError):
            raise
        raise WorkerStartError(
            f"no process could be started: {error}", profile=order.profile.name
        ) from error
    finally:
        os.close(log)
    worker = WorkerProcess(child, order=order, worker_id=worker_id, tmpdir=tmpdir)
    worker.forks = control is not None
    return worker


def _decoded(frame: bytes | bytearray) -> msg.FromWorker:
    if too_heavy(frame):
        raise FrameError("a message of too many values")
    return msg.decode_from_worker(frame)


def open_log(order: WorkerOrder) -> int:
    """Return a descriptor of the profile's worker log; raises ``ProfileError``."""
    model.prepare(order.profile)
    try:
        return order.log.open()
    except OSError as error:
        raise ProfileError(
            f"has a worker log that cannot be written: {error}",
            profile=order.profile.name,
            where=str(order.log.path),
        ) from error


def _lay_out(order: WorkerOrder) -> tuple[int, Path]:
    """Make what a worker needs before it starts: its log's descriptor and its TMPDIR."""
    log = open_log(order)
    return log, scratch.make(model.temporary_folder(order.initial))


def sweep(worker_id: str) -> list[int]:
    """Kill what carries a dead worker's mark and was missed by its supervisor; return the ids.

    The supervisor ends a worker's tree. This is for the case that somebody killed the supervisor.
    Only where ``/proc`` tells environments.
    """
    mark = f"{WORKER_VARIABLE}={worker_id}".encode()
    killed = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        pid = int(entry.parent.name)
        with contextlib.suppress(OSError):
            if mark in entry.read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
    return killed


def _remove_tree(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
