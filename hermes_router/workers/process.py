"""One worker process as the gateway sees it: send and receive messages, and end the process.

The process that the gateway starts is the worker's supervisor; when the supervisor has ended, the
whole process tree has ended. This module owns the descriptors and reaps the process. It does not
interpret the messages: the turn does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import msgspec

from hermes_router.base import scratch
from hermes_router.base.errors import ProfileError, ProtocolError, WorkerStartError
from hermes_router.base.tasks import in_thread
from hermes_router.config.settings import HARDENED, SEES_ITS_HOME, Hardening, Sandbox
from hermes_router.profiles import model
from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import EndOfFrames, FrameError, FrameReader, FrameWriter
from hermes_router.protocol.printed import NO_TURN
from hermes_router.protocol.size_guard import too_heavy
from hermes_router.protocol.system import pids
from hermes_router.protocol.system.start import WORKER_VARIABLE
from hermes_router.protocol.template import LOG_FORMAT, PREPARE_MCP
from hermes_router.workers.flow_control import CALL, FlowControl
from hermes_router.workers.launchers import Child, Launch, LaunchSpec
from hermes_router.workers.worker_log import WorkerLog, one_line

#: Seconds to wait for the end of a process after SIGKILL.
_REAP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class WorkerOrder:
    """All that the start of a worker of one profile needs; the pool makes it from the settings.

    Attributes:
        launch: the launcher that starts the process.
        initial: the gateway's environment at its start; ``passed`` names what a worker gets of it.
        log: the worker log, which gets all that the worker prints.
        grace: seconds between SIGTERM and SIGKILL for the worker's process tree.
        share: what the profile shares with others, for example ``auth``, ``ssh`` or ``kanban``.
        limits: name and value of each limit that the supervisor enforces.
        together: how many workers of the profile may run at once.
        mcp_ahead: prepared workers start the profile's MCP servers before there is a message.
        turn: the id of the turn that a worker is started for, if it is not prepared.
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
    turn: str = field(default=NO_TURN, compare=False)


class WorkerProcess:
    """A started worker, or a template, with its supervisor and its pipes.

    :func:`start_worker` makes it. Who has it must call :meth:`end`, also if the process is dead:
    else its pipes and its temporary folder stay.
    """

    #: True if the worker was started before there was a message for it.
    prepared = False

    #: The bytes of the last received frame.
    frame_bytes: int

    #: True for a template. Its forked workers carry its mark, and must not end with it.
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
        self._deadline: float | None = None
        #: Set when the worker has imported Hermes and is ready, or is being ended.
        self.imported = anyio.Event()

    async def send(self, message: msg.Message) -> None:
        """Send one message to the worker.

        Raises:
            OSError: the worker is gone.
        """
        await self._writer.send(msg.encode(message))

    async def receive(self) -> msg.FromWorker:
        """Return the worker's next message.

        If the worker sends more than its share, this sleeps before it returns.

        Raises:
            EndOfFrames: the worker has closed its end of the pipe, or has exited.
            ProtocolError: the received bytes are no message.
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
        if isinstance(message, msg.Ready):
            self.imported.set()
        del frame  # free its memory while the message is worked on
        weight = CALL if isinstance(message, msg.Request) else 1
        spent = time.perf_counter() - begun
        pause = self._pace.pause(spent, weight=weight, waits=self._reader.waits)
        if pause is not None:
            await anyio.sleep(pause)
        return message

    async def messages(self) -> AsyncIterator[msg.FromWorker]:
        """Yield messages until the worker closes its end of the pipe.

        Raises:
            ProtocolError: the received bytes are no message.
        """
        while True:
            try:
                yield await self.receive()
            except EndOfFrames:
                return

    async def end(self, *, patience: float = 0.0) -> int | None:
        """End the worker and its whole process tree; return the supervisor's return code.

        First the pipe is closed, and the worker gets ``patience`` seconds to exit by itself. Then
        SIGTERM asks the supervisor to end the tree, and it kills what is left after the order's
        grace time (counted from :meth:`terminate`, if that was called before). Last the supervisor
        itself is killed. Returns None if even that did not help.
        """
        self.imported.set()
        with anyio.CancelScope(shield=True):
            self._writer.close()
            returncode = await self._descend(patience)
            self._reader.close()
            if returncode != 0 and not self.forks:
                await in_thread(sweep, self.worker_id, self.pid)
            await in_thread(_remove_tree, self._tmpdir)
        return returncode

    async def gone(self) -> None:
        """Wait until the process has ended; this neither ends it nor closes its pipes."""
        while not self.ended:  # noqa: ASYNC110 - rare, and short
            await anyio.sleep(0.01)

    @property
    def ended(self) -> bool:
        """True if the process is known to have ended; this never waits."""
        return self._child.ended

    async def _descend(self, patience: float) -> int | None:
        if self._deadline is None:
            with anyio.move_on_after(patience):
                return await self._child.wait()
        with anyio.move_on_after(self.terminate()):
            return await self._child.wait()
        self._child.send_signal(signal.SIGKILL)
        with anyio.move_on_after(_REAP_SECONDS):
            return await self._child.wait()
        return None

    def keep(self, other: Child) -> None:
        """Keep the sandbox of this process open until its child ``other`` has ended too.

        A template calls this for each worker that it forks. Nothing is done if this process is in
        no sandbox.
        """
        self._child.keep(other)

    def terminate(self) -> float:
        """Ask the supervisor to end the process tree, and do not wait for it.

        When the worker is gone, :meth:`receive` raises ``EndOfFrames``. Returns how many seconds
        that may still take; a supervisor that takes longer does not react.
        """
        if self._deadline is None:
            self._deadline = time.monotonic() + self._order.grace + 1
            self._child.send_signal(signal.SIGTERM)
        return max(0.0, self._deadline - time.monotonic())


async def start_worker(
    order: WorkerOrder, *, launch: Launch | None = None, control: int | None = None
) -> WorkerProcess:
    """Start a worker and return it; with ``control``, a socket descriptor, start a template.

    The pool passes ``launch`` to start it in another way than the order's launcher, for example as
    a fork of a template.

    Raises:
        ProfileError: the profile's home cannot be used.
        WorkerStartError: the system refused to start a process, or takes no temporary folder.
    """
    worker_id = uuid.uuid4().hex[:12]
    log, tmpdir = await in_thread(_lay_out, order)
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
        turn=order.turn if control is None else NO_TURN,
        as_json=order.log.as_json,
    )
    try:
        child = await (launch or order.launch)(spec)
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            await in_thread(_remove_tree, tmpdir)
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
        raise FrameError("a message with too many values")
    return msg.decode_from_worker(frame)


def open_log(order: WorkerOrder) -> int:
    """Open the worker log of the order's profile; return the descriptor, which the caller closes.

    Missing folders of the profile's home are made first.

    Raises:
        ProfileError: the home cannot be used, or the log cannot be written.
    """
    model.prepare(order.profile)
    try:
        return order.log.open()
    except OSError as error:
        why = error.strerror or str(error).replace(str(order.log.path), order.log.path.name)
        raise ProfileError(
            f"has a worker log that cannot be written: {why}",
            profile=order.profile.name,
            where=str(order.log.path),
        ) from error


def _lay_out(order: WorkerOrder) -> tuple[int, Path]:
    """Open a new worker's log and make its TMPDIR; return the descriptor and the folder.

    Raises:
        ProfileError: the home cannot be used, or the log cannot be written.
        WorkerStartError: no temporary folder can be made.
    """
    log = open_log(order)
    try:
        return log, _make_tmpdir(order)
    except BaseException:
        os.close(log)
        raise


def _make_tmpdir(order: WorkerOrder) -> Path:
    """Make a worker's TMPDIR where that is possible; a disk may be full although it is writable.

    Raises:
        WorkerStartError: no folder takes it; the error names the preferred one.
    """
    folders = model.temporary_folders(order.initial) or (None,)
    refusals = []
    for folder in folders:
        try:
            return scratch.make(folder)
        except OSError as error:
            refusals.append(error)
    raise WorkerStartError(
        f"no temporary folder could be made: {refusals[0].strerror or refusals[0]}",
        profile=order.profile.name,
        where=folders[0] or "",
        hint="make room there, or start the gateway with TMPDIR set to a folder with room",
    ) from refusals[0]


def sweep(worker_id: str, supervisor: int = 0) -> list[int]:
    """Kill the processes that a dead worker left behind; return their pids.

    Normally the supervisor ends the worker's tree; this is for a supervisor that was killed. Only
    where ``/proc`` exists, a process is found by the worker's mark in its environment, or because
    it is in the session that the supervisor with this pid began. Not found is a process that the
    worker forked, that began a session of its own, and that has run no program since: it has the
    environment of the worker's template, or nobody but root can read it.
    """
    mark = f"{WORKER_VARIABLE}={worker_id}".encode()
    # A number that runs again may be another process, with a session of its own.
    session = 0 if pids.is_running(supervisor) else supervisor
    killed = []
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        with contextlib.suppress(OSError):
            left = session > 0 and pids.session_of(pid) == session
            if left or mark in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
    return killed


def _remove_tree(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
