"""The supervisor: a small process around the worker that ends the whole tree with it.

Hermes starts its terminal, background, code-execution and MCP children in sessions of their own, so
that killing a process group does not reach them. The supervisor forks the worker before anything
is imported, is the subreaper of all that descends from it, and has three duties:

- when the worker ends, for whatever reason, whatever it left behind is killed;
- SIGTERM means "end the tree": everybody is asked to, and killed after the grace time;
- when the gateway is gone (the pipe on descriptor 0 has no writer) the worker gets the grace time
  to finish and the tree is ended then.

It then ends the way the worker ended: same exit status, or the same signal. It holds no memory
worth the name, reads nothing that the worker writes, and is one per worker.

Without subreapers (not Linux) descendants are found by walking the process table while the worker
still lives; one that detached itself before that is missed.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from pathlib import Path

from hermes_router_worker import kernel

_POLL_SECONDS = 0.02
_MOST_ROUNDS = 50


def supervise(grace: float, *, remove_tmpdir: bool = False) -> None:
    """Fork; return in the child, which is the worker. The caller's process becomes the supervisor.

    Args:
        grace: seconds between asking the tree to end and killing it.
        remove_tmpdir: TMPDIR is this side's to remove in the end, not the gateway's.
    """
    kernel.become_subreaper()
    wake_reader, wake_writer = os.pipe()
    for end in (wake_reader, wake_writer):
        os.set_blocking(end, False)
    parent = os.getpid()
    worker = os.fork()
    if worker == 0:
        os.close(wake_reader)
        os.close(wake_writer)
        kernel.die_with_parent(parent)
        return
    os.close(1)  # the gateway sees the end of the worker's output when the worker ends
    tmpdir = os.environ["TMPDIR"] if remove_tmpdir else None
    _Supervisor(worker, wake_reader, wake_writer, grace, tmpdir).run()


class _Supervisor:
    def __init__(
        self, worker: int, wake_reader: int, wake_writer: int, grace: float, tmpdir: str | None
    ) -> None:
        self._worker = worker
        self._tmpdir = tmpdir
        self._grace = grace
        self._wake_reader = wake_reader
        self._deadline: float | None = None
        self._poll = select.poll()
        self._poll.register(wake_reader, select.POLLIN)
        self._poll.register(0, 0)  # hang-up is always reported, data never is
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def run(self) -> None:
        status = self._wait_for_worker()
        _kill_descendants()
        if self._tmpdir is not None:
            shutil.rmtree(self._tmpdir, ignore_errors=True)
        _end_like(status)

    def _on_signal(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self._ask_to_end()

    def _ask_to_end(self) -> None:
        self._start_grace()
        for pid in descendants(os.getpid()):
            _signal(pid, signal.SIGTERM)

    def _start_grace(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + self._grace

    def _wait_for_worker(self) -> int:
        while True:
            status = self._reap()
            if status is not None:
                return status
            if self._deadline is not None and time.monotonic() >= self._deadline:
                # Not the worker alone: without a subreaper its children would be lost with it.
                _kill_all(os.getpid())
            for fd, _events in self._poll.poll(self._timeout_ms()):
                self._on_ready(fd)

    def _on_ready(self, fd: int) -> None:
        if fd == self._wake_reader:
            with contextlib.suppress(BlockingIOError):
                os.read(fd, 4096)
        else:
            self._poll.unregister(fd)
            self._start_grace()

    def _timeout_ms(self) -> int | None:
        if self._deadline is None:
            return None
        return max(50, int((self._deadline - time.monotonic()) * 1000))

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
    """Kill what is left below this process, until nothing is."""
    while not _reaped_all():
        _kill_all(os.getpid())
        time.sleep(_POLL_SECONDS)


def _kill_all(root: int) -> None:
    """Kill all below ``root``, stopped first: what forks faster than it is killed would go on."""
    stopped: list[int] = []
    for _round in range(_MOST_ROUNDS):
        fresh = [pid for pid in descendants(root) if pid not in stopped]
        if not fresh:
            break
        for pid in fresh:
            _signal(pid, signal.SIGSTOP)
        stopped += fresh
    for pid in stopped:
        _signal(pid, signal.SIGKILL)


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
        kernel.leave_no_core()
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def descendants(root: int) -> list[int]:
    """Return the ids of all processes below ``root``, parents before their children."""
    children: dict[int, list[int]] = defaultdict(list)
    for pid, parent in _process_table():
        children[parent].append(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _process_table() -> list[tuple[int, int]]:
    """Return the id and the parent's id of every process that this one can see."""
    if not Path("/proc/self/stat").exists():
        listing = subprocess.run(
            ["/bin/ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False
        ).stdout
        return [(int(pid), int(parent)) for pid, parent in map(str.split, listing.splitlines())]
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [(pid, parent) for pid in pids if (parent := _parent_of(pid)) is not None]


def _parent_of(pid: int) -> int | None:
    try:
        with Path(f"/proc/{pid}/stat").open("rb") as stat:
            # The command's name stands in parentheses and may hold anything, these included.
            return int(stat.read().rpartition(b")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
