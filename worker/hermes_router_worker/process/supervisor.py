"""The supervisor: a small process around the worker that ends the whole tree with it.

Hermes starts its terminal, background, code-execution and MCP children in sessions of their own, so
to kill a process group does not reach them. The supervisor forks the worker before anything is
imported, and is the subreaper of all its descendants. Its duties:

- When the worker ends, for whatever reason, it kills all processes that the worker left.
- On SIGTERM it asks all processes to end, and kills them after the grace time.
- When the gateway is gone (the pipe on descriptor 0 has no writer), the worker gets the grace time
  to finish, or one second if the gateway's process has ended. Then the tree is ended.
- It passes what the worker prints into the worker log (:mod:`.log_pipe`).
- It kills a tree that crosses a limit at once (:mod:`.usage` says what the tree uses).

Then it ends as the worker ended: with the same exit status, or by the same signal. After a crossed
limit, its exit status names the limit. It uses hardly any memory, and each worker has one.

Without subreapers (not on Linux), it finds descendants in the process table while the worker still
lives. It misses a process that detached itself before that.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from hermes_router.protocol.limits import EXITS, OPEN_FILES
from hermes_router.protocol.system.scratch import SCRATCH_PREFIX
from hermes_router.protocol.template import LOG_DESCRIPTOR, LOG_FORMAT
from hermes_router_worker.process import linux, title
from hermes_router_worker.process.log_pipe import LogPipe
from hermes_router_worker.process.process_tree import descendants, kill_all, send
from hermes_router_worker.process.usage import SECONDS, usage_below

_POLL_SECONDS = 0.02
_ORPHANED_SECONDS = 1.0
"""Seconds for a worker to save after its gateway was killed: the next one may start any moment."""

_WAITING_SECONDS = 5.0
"""Seconds between two looks at a tree whose worker waits for work.

A look takes half a millisecond, and many workers may wait for long.
"""

BEGUN = signal.SIGURG
"""The signal that says that a waiting worker has work now; other processes ignore it."""


#: In a worker: the end of the pipe by which its supervisor learns about the turn.
_turn_writer: int | None = None
_TURN = re.compile(rb"([0-9a-f]{8}) ([^\x00-\x1f\x7f]{0,200})\n")


def tell_work_begins() -> None:
    """Have the supervisor of this process look often at the limits from now on.

    A prepared worker calls it when it gets its work. Until then, its supervisor looks rarely.
    """
    os.kill(os.getppid(), BEGUN)


def tell_turn(turn_id: str, what: str) -> None:
    """Tell the supervisor the turn's id, and the turn's place or the job's name (``what``).

    The supervisor shows both in ``ps``, and puts the id before the lines that it logs. Only the
    first call of a process has an effect; a supervisor that has ended is ignored.
    """
    global _turn_writer
    descriptor, _turn_writer = _turn_writer, None
    if descriptor is not None:
        line = f"{turn_id} {''.join(filter(str.isprintable, what))[:60]}\n"
        with contextlib.suppress(OSError):
            os.write(descriptor, line.encode())
        os.close(descriptor)


def supervise(
    grace: float,
    limits: Mapping[str, float] | None = None,
    *,
    profile: str = "",
    remove_tmpdir: bool = False,
    waits: bool = False,
    gateway: int | None = None,
) -> None:
    """Fork; return in the child, which is the worker. The calling process becomes the supervisor.

    Args:
        grace: seconds between asking the tree to end and killing it.
        limits: what the tree may use, by name as in :mod:`hermes_router.protocol.limits`; 0 or a
            missing name is no limit.
        profile: the worker's profile, for the process title.
        remove_tmpdir: this side removes TMPDIR at the end, not the gateway. If the gateway closed
            the pipe, TMPDIR is removed in any case: the gateway has probably died.
        waits: the worker waits for work, and will call :func:`tell_work_begins`. Until then, the
            supervisor looks at the limits rarely.
        gateway: the process that must live for the worker to have the grace time: of a forked
            worker the gateway, or the first process of its sandbox. None is the parent process.
    """
    limits = {name: value for name, value in (limits or {}).items() if value}
    _take_over_log()
    linux.become_subreaper()
    wake_reader, wake_writer = os.pipe()
    print_reader, print_writer = os.pipe()
    turn_reader, turn_writer = os.pipe()
    as_json = os.environ.pop(LOG_FORMAT, "") == "json"
    for end in (wake_reader, wake_writer, turn_reader):
        os.set_blocking(end, False)
    parent = os.getpid()
    worker = os.fork()
    if worker == 0:
        os.dup2(print_writer, 2)
        for end in (wake_reader, wake_writer, print_reader, print_writer, turn_reader):
            os.close(end)
        globals()["_turn_writer"] = turn_writer
        linux.die_with_parent(parent)
        linux.set_limits(open_files=limits.get(OPEN_FILES), cpu_seconds=limits.get("cpu_seconds"))
        return
    os.close(print_writer)
    os.close(turn_writer)
    os.close(1)  # so the gateway sees the end of the output when the worker ends
    tmpdir = os.environ["TMPDIR"] if remove_tmpdir else None
    printed = LogPipe(print_reader, 2, int(limits.get("output_bytes", 0)), as_json=as_json)
    every = _WAITING_SECONDS if waits else SECONDS
    supervisor = _Supervisor(worker, wake_reader, wake_writer, grace, tmpdir, every)
    supervisor.follow(gateway)
    supervisor.expect_turn(turn_reader, profile)
    supervisor.watch(printed, limits)
    supervisor.run()


def _take_over_log() -> None:
    """Make the worker log standard error: until now the gateway passed on what was printed."""
    log = int(os.environ.pop(LOG_DESCRIPTOR, "2"))
    if log != 2:
        os.dup2(log, 2)
        os.close(log)


def _own_tmpdir() -> str | None:
    """Return TMPDIR if the gateway made it for this worker, and None for the system's own."""
    tmpdir = os.environ.get("TMPDIR", "")
    return tmpdir if Path(tmpdir).name.startswith(SCRATCH_PREFIX) else None


class _Supervisor:
    def __init__(
        self,
        worker: int,
        wake_reader: int,
        wake_writer: int,
        grace: float,
        tmpdir: str | None,
        every: float,
    ) -> None:
        self._worker = worker
        self._tmpdir = tmpdir
        self._grace = grace
        self._wake_reader = wake_reader
        self._deadline: float | None = None
        self._parent = os.getppid()
        self._gateway: int | None = None
        self._hung_up: float | None = None
        self._crossed: str | None = None
        self._looks = False
        self._every = every
        self._next_look = 0.0
        self._poll = select.poll()
        self._poll.register(wake_reader, select.POLLIN)
        self._poll.register(0, 0)  # a hang-up is always reported, data never is
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        signal.signal(BEGUN, self._on_begun)

    def follow(self, gateway: int | None) -> None:
        """Take the end of the process ``gateway`` for the gateway's own.

        If that is None, or the kernel has no pidfds, a change of this process's parent counts as
        that.
        """
        self._gateway = None if gateway is None else linux.pidfd_of(gateway)

    def watch(self, printed: LogPipe, limits: Mapping[str, float]) -> None:
        """Pass on what the worker prints, and enforce the limits.

        Called once, before :meth:`run`.
        """
        self._printed = printed
        self._limits = limits
        self._looks = not {"memory_bytes", "cpu_seconds", "processes"}.isdisjoint(limits)
        self._poll.register(printed.pipe, select.POLLIN)

    def expect_turn(self, reader: int, profile: str) -> None:
        """Learn from the pipe ``reader`` which turn the worker of ``profile`` gets.

        :func:`tell_turn` writes it there.
        """
        self._turn_reader, self._profile = reader, profile
        self._poll.register(reader, select.POLLIN)

    def run(self) -> None:
        title.show(self._profile, "supervisor")
        status = self._wait_for_worker()
        _kill_descendants()
        self._printed.finish()
        if self._tmpdir is not None:
            shutil.rmtree(self._tmpdir, ignore_errors=True)
        if self._crossed is not None:
            os._exit(EXITS[self._crossed])
        _end_like(status)

    def _on_signal(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self._ask_to_end()

    def _on_begun(self, _number: int, _frame: object) -> None:
        self._look_closely()

    def _look_closely(self) -> None:
        self._every, self._next_look = SECONDS, 0.0

    def _ask_to_end(self) -> None:
        self._start_grace()
        for pid in descendants(os.getpid()):
            send(pid, signal.SIGTERM)

    def _start_grace(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + self._grace

    def _see_orphaned(self) -> None:
        """If the gateway has ended, wait only a moment for the worker.

        A living gateway closes the pipe too, when it has no more to say.
        """
        if self._hung_up is None or self._deadline is None or not self._gateway_ended():
            return
        self._deadline = min(self._deadline, self._hung_up + _ORPHANED_SECONDS)
        self._hung_up = None

    def _gateway_ended(self) -> bool:
        """Say whether the gateway has ended; the parent of a forked worker is its template.

        A template is retired when its profile's files change, also while its workers go on.
        """
        if self._gateway is None:
            return os.getppid() != self._parent
        return linux.has_ended(self._gateway)

    def _wait_for_worker(self) -> int:
        while True:
            status = self._reap()
            if status is not None:
                return status
            self._look()
            self._see_orphaned()
            if self._deadline is not None and time.monotonic() >= self._deadline:
                # Kill all: without a subreaper, the worker's children would be lost with it.
                kill_all(os.getpid())
            for fd, _events in self._poll.poll(self._timeout_ms()):
                self._on_ready(fd)

    def _on_ready(self, fd: int) -> None:
        if fd == self._wake_reader:
            with contextlib.suppress(BlockingIOError):
                os.read(fd, 4096)
        elif fd == self._turn_reader:
            self._learn_turn()
        elif fd == self._printed.pipe:
            if not self._printed.pass_on():
                self._poll.unregister(fd)
            if self._printed.too_much:
                self._end_for("output_bytes", self._printed.count)
        else:
            self._poll.unregister(fd)
            self._tmpdir = self._tmpdir or _own_tmpdir()  # the gateway may be gone
            self._hung_up = time.monotonic()
            self._start_grace()

    def _learn_turn(self) -> None:
        with contextlib.suppress(BlockingIOError):
            match = _TURN.fullmatch(os.read(self._turn_reader, 4096))
            if match is not None:
                self._look_closely()
                self._printed.turn = match[1].decode()
                words = match[2].decode(errors="replace")
                title.show(self._profile, "supervisor", self._printed.turn, words)
        self._poll.unregister(self._turn_reader)
        os.close(self._turn_reader)
        self._turn_reader = -1

    def _timeout_ms(self) -> int | None:
        waits = [self._next_look] * self._looks
        if self._deadline is not None:
            waits.append(max(self._deadline, time.monotonic() + 0.05))
        if self._hung_up is not None:
            waits.append(time.monotonic() + 0.1)
        return max(0, int((min(waits) - time.monotonic()) * 1000) + 1) if waits else None

    # -- limits --------------------------------------------------------------------------------

    def _look(self) -> None:
        """Check what the tree uses, if it is time to do so."""
        if not self._looks or time.monotonic() < self._next_look:
            return
        most = self._limits.get("memory_bytes", 0)
        usage = usage_below(os.getpid(), memory_worth_a_closer_look=int(most) or 2**63)
        for name in ("processes", "cpu_seconds", "memory_bytes"):
            used = getattr(usage, name)
            if name in self._limits and used > self._limits[name]:
                self._end_for(name, used)
                break
        self._next_look = time.monotonic() + self._every

    def _end_for(self, name: str, used: float) -> None:
        """Kill the tree, which crossed the limit ``name``; the main loop then sees the end."""
        if self._crossed is None:
            self._crossed = name
            most, turn = f"{self._limits[name]:.0f}", self._printed.turn
            self._printed.say("limit", limit=name, allowed=most, used=f"{used:.0f}", turn=turn)
        kill_all(os.getpid())

    def _reap(self) -> int | None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 0
            if pid == 0:
                return None
            if pid == self._worker:
                return status


def _kill_descendants() -> None:
    """Kill all processes below this one, until none is left."""
    while not _reaped_all():
        kill_all(os.getpid())
        time.sleep(_POLL_SECONDS)


def _reaped_all() -> bool:
    while True:
        try:
            pid, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == 0:
            return False


def _end_like(status: int) -> None:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        linux.leave_no_core()
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
