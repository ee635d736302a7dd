"""The ``bubblewrap`` launcher: it starts all workers of a profile in one sandbox.

A sandbox is a set of Linux namespaces that ``bwrap`` makes. It has its own file system
(:mod:`hermes_router.workers.launchers.view`), processes, IPC and host name; if so configured, no
network. The first process of the sandbox starts workers and templates in it on request. A profile's
home has one sandbox, so a later turn finds the processes and the ``/tmp`` of the turns before. The
launcher closes the sandbox when all processes that it started there have ended. It also ends with
the gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import shutil
import socket
import subprocess
from pathlib import Path
from typing import IO

import anyio
import anyio.to_thread

from hermes_router.base import scratch
from hermes_router.base.errors import WorkerStartError
from hermes_router.base.tasks import in_thread
from hermes_router.profiles.fingerprint import folder_of
from hermes_router.profiles.model import hermes_root
from hermes_router.protocol import template as msg
from hermes_router.protocol.printed import NO_TURN
from hermes_router.workers import launchers
from hermes_router.workers.code import own_code
from hermes_router.workers.fork_client import ForkedChild, ForkServer
from hermes_router.workers.launchers import Child, LaunchSpec, board, scope
from hermes_router.workers.launchers.bwrap import NAMESPACES, check
from hermes_router.workers.launchers.users import USER_FILE, accounts_home, user_list
from hermes_router.workers.launchers.view import View, view_for

_START_SECONDS = 20.0
_TMP = "/tmp"  # noqa: S108 - the sandbox's own

_Key = tuple[asyncio.AbstractEventLoop, object, object]
_sandboxes: dict[_Key, _Sandbox] = {}
_closing: set[asyncio.Task[None]] = set()


async def launch(spec: LaunchSpec) -> Child:
    """Start a worker or a template of ``spec.profile`` in that profile's sandbox.

    The first call for a profile's home makes the sandbox, and so does the next one after it was
    closed.

    Raises:
        OSError: the system refused to start a process.
        RouterError: the sandbox cannot be made; the message says what to fix.
    """
    # A sandbox shows the folder that the home was at its start, whatever has its name later.
    home = await in_thread(folder_of, spec.profile.home)
    key = (asyncio.get_running_loop(), (spec.profile, home), (spec.sandbox, spec.share))
    sandbox = _sandboxes.get(key)
    if sandbox is None or not sandbox.usable:
        sandbox = _sandboxes[key] = _Sandbox()
        sandbox.begin(spec, forget=functools.partial(_forget, key, sandbox))
    return await sandbox.launch(spec)


async def close() -> None:
    """Close all sandboxes of this event loop; return when they are gone.

    This ends the processes in them, so the gateway calls it last.
    """
    loop = asyncio.get_running_loop()
    for (of, *_), sandbox in list(_sandboxes.items()):
        if of is loop:
            sandbox.close()
    ours = [task for task in _closing if task.get_loop() is loop]
    await asyncio.gather(*ours, return_exceptions=True)


def _forget(key: _Key, sandbox: _Sandbox) -> None:
    if _sandboxes.get(key) is sandbox:
        del _sandboxes[key]


class _Sandbox:
    """One running sandbox, and the processes that were started in it."""

    def __init__(self) -> None:
        self.open = True
        self._lives: set[asyncio.Task[int | None]] = set()
        self._starting = 0
        self._started: asyncio.Task[ForkServer] | None = None
        self._server: ForkServer | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._tmp: Path | None = None

    @property
    def usable(self) -> bool:
        """True if processes can be started in it: it is open, and nobody has killed it."""
        return self.open and not (self._server is not None and self._server.ended)

    def begin(self, spec: LaunchSpec, *, forget: functools.partial[None]) -> None:
        """Start the sandbox in the background; :meth:`close` will call ``forget``."""
        self._forget = forget
        self._started = asyncio.create_task(self._start(spec))

    async def launch(self, spec: LaunchSpec) -> Child:
        self._starting += 1
        try:
            if self._started is None:
                raise OSError("the sandbox was not started")
            server = await asyncio.shield(self._started)
            template = ["--template", "3"] if spec.control is not None else []
            request = msg.Spawn(
                worker_id=spec.worker_id,
                arguments=[*launchers.command(spec), *_board(spec), "--tmp", _TMP, *template],
                environment=_environment(spec),
                cwd=str(spec.cwd),
            )
            last = spec.log if spec.control is None else spec.control
            with spec.start_output() as output:
                child = await server.start(request, output.descriptor, [last])
            child.keeper = self.keep
            self.keep(child)
            return child
        finally:
            self._starting -= 1
            self._close_if_empty()

    def keep(self, child: ForkedChild) -> None:
        """Keep the sandbox open until ``child`` has ended, and its return code was reported."""
        task = asyncio.create_task(child.wait())
        self._lives.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[int | None]) -> None:
        self._lives.discard(task)
        self._close_if_empty()

    def _close_if_empty(self) -> None:
        if not self._lives and not self._starting:
            self.close()

    def close(self) -> None:
        """Begin to close the sandbox; this ends all processes in it."""
        if self.open:
            self.open = False
            self._forget()
            task = asyncio.create_task(self._close())
            _closing.add(task)
            task.add_done_callback(_closing.discard)

    async def _start(self, spec: LaunchSpec) -> ForkServer:
        view = await anyio.to_thread.run_sync(_view, spec)
        self._tmp = await anyio.to_thread.run_sync(_make_tmp, spec)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            users = await anyio.to_thread.run_sync(_users, spec)
            passed = [theirs.fileno(), users.fileno()]
            line, environment = await anyio.to_thread.run_sync(
                _line, spec, view, self._tmp, users.fileno()
            )
            with spec.start_output() as output:
                # In this thread, not in a pool's: bwrap ends with the thread that started it.
                self._process = subprocess.Popen(  # noqa: ASYNC220
                    [*line, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=output.descriptor,
                    stderr=output.descriptor,
                    cwd="/",
                    env=environment,
                    start_new_session=True,
                    pass_fds=passed,
                )
            users.close()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        server = self._server = ForkServer(ours, shared_fate=True)
        with anyio.move_on_after(_START_SECONDS):
            await server.ready.wait()
        if not server.prepared:
            await server.close()
            reason = await anyio.to_thread.run_sync(check)
            raise WorkerStartError(
                f"there is no sandbox: {reason or 'bwrap failed; see the worker log'}",
                profile=spec.profile.name,
                where=str(spec.profile.logs),
            )
        output.turn = NO_TURN  # from now on it serves other turns too
        return server

    async def _close(self) -> None:
        """End the sandbox and all processes in it, also those that escaped from their worker."""
        if self._started is not None:
            with contextlib.suppress(Exception):  # the callers of launch() got this error
                server = await self._started
                await server.close()
        process = self._process
        if process is not None:
            with anyio.move_on_after(2.0):
                await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
            process.kill()
            await anyio.to_thread.run_sync(process.wait)
        if self._tmp is not None:
            remove = functools.partial(shutil.rmtree, self._tmp, ignore_errors=True)
            await anyio.to_thread.run_sync(remove)


def _environment(spec: LaunchSpec) -> dict[str, str]:
    """Return the variables of a process in the sandbox; a worker gets the log as descriptor 3."""
    log = {} if spec.control is not None else {msg.LOG_DESCRIPTOR: "3"}
    return {**spec.environment, **log}


def _board(spec: LaunchSpec) -> list[str]:
    return [] if "kanban" in spec.share else ["--no-board"]


def _view(spec: LaunchSpec) -> View:
    view = view_for(spec.profile, spec.sandbox, spec.environment, Path.home())
    if "ssh" in spec.share:
        view.show_if_there(accounts_home() / ".ssh")
    if "kanban" in spec.share:
        board.show(view, hermes_root(spec.profile.home), spec.profile.name)
    return view


def _make_tmp(spec: LaunchSpec) -> Path:
    beside = Path(spec.environment["TMPDIR"]).parent
    folder = str(beside) if beside.is_dir() else None
    return scratch.make(folder, f"sandbox-{spec.profile.name}-")


def _users(spec: LaunchSpec) -> IO[bytes]:
    return user_list(None if "ssh" in spec.share else spec.profile.tool_home)


def _line(spec: LaunchSpec, view: View, tmp: Path, users: int) -> tuple[list[str], dict[str, str]]:
    names = ("PATH", "HOME", "HERMES_HOME")
    environment = {name: spec.environment[name] for name in names if name in spec.environment}
    environment["TMPDIR"] = _TMP
    return scope.within(spec, _command(spec, view, tmp, users), environment, shared=True)


def _command(spec: LaunchSpec, view: View, tmp: Path, users: int) -> list[str]:
    """Return the command line of a sandbox, without the descriptor of its control socket."""
    network = [] if spec.sandbox.online else ["--unshare-net"]
    special = ["--proc", "/proc", "--dev", "/dev", "--bind", str(tmp), _TMP]
    program = shutil.which("bwrap") or "bwrap"
    keeper = own_code.command("hermes_router_worker.process.sandbox_init")
    return [
        *(program, *NAMESPACES, *network),
        *(*special, *view.arguments()),
        *("--ro-bind-data", str(users), str(USER_FILE)),
        *("--chdir", "/", "--", *keeper),
    ]
