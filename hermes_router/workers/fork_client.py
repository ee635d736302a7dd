"""Ask another process, over a socket, to start child processes for the gateway.

The other process is a template, or the first process of a sandbox. It reaps its children and
reports their return codes. When it has started a child, it sends a pidfd of it: a descriptor that
means the process. Unlike a pid, a pidfd means the same process in every pid namespace, and is never
reused for another process.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import select
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio
import msgspec

from hermes_router.base.pipes import pipes_to_child
from hermes_router.protocol import template as msg
from hermes_router.protocol.system import proc
from hermes_router.workers.flow_control import FlowControl

_ANSWER_SECONDS = 10.0
_REPORT_SECONDS = 1.0


@dataclass(slots=True)
class _Reply:
    done: anyio.Event = field(default_factory=anyio.Event)
    child: ForkedChild | None = None
    reason: str = ""


class ForkServer:
    """The gateway's end of the socket to a process that starts child processes on request.

    The event ``ready`` is set when that process can start children (``prepared`` is True), or has
    ended (``ended`` is True). ``unfit`` is why it cannot fork safely, or "". With ``shared_fate``
    it is the first process of a sandbox, and its children end with it.
    """

    def __init__(self, control: socket.socket, *, shared_fate: bool = False) -> None:
        control.settimeout(0)
        self.prepared = False
        self.ended = False
        self.unfit = ""
        self.ready = anyio.Event()
        self._control = control
        self._shared_fate = shared_fate
        self._replies: dict[str, _Reply] = {}
        self._children: dict[int, ForkedChild] = {}
        self._reader = asyncio.create_task(self._read())

    async def start(
        self, request: msg.Fork | msg.Spawn, log: int, more: Sequence[int] = ()
    ) -> ForkedChild:
        """Ask for a child process, and return it with the gateway's ends of its two pipes.

        The descriptor ``log`` becomes its stderr; ``more`` are further descriptors to pass.

        Raises:
            OSError: the other process has ended, refused, or did not answer within 10 s.
        """
        with pipes_to_child() as pipes:
            child = await self._ask(request, [pipes.child_in, pipes.child_out, log, *more])
        child.inbound, child.outbound = pipes.inbound, pipes.outbound
        return child

    async def _ask(self, request: msg.Fork | msg.Spawn, descriptors: list[int]) -> ForkedChild:
        if self.ended:
            raise BrokenPipeError("the process that starts workers has ended")
        reply = self._replies[request.worker_id] = _Reply()
        try:
            socket.send_fds(self._control, [msg.encode(request)], descriptors)
            with anyio.fail_after(_ANSWER_SECONDS):
                await reply.done.wait()
        finally:
            del self._replies[request.worker_id]
        if reply.child is None:
            raise OSError(f"it was refused: {reply.reason or 'the process ended'}")
        return reply.child

    async def close(self) -> None:
        """Close the socket; the other process then ends."""
        self._reader.cancel()
        await asyncio.wait([self._reader])  # it may not read a closed socket
        self._end()
        self._control.close()

    async def _read(self) -> None:
        pace = FlowControl()
        with contextlib.suppress(OSError, msgspec.MsgspecError, RecursionError):
            while True:
                packet, descriptor = await self._receive()
                if not packet:
                    break
                self._note(msg.decode_from_template(packet), descriptor)
                await pace.keep(0)
        self._end()

    async def _receive(self) -> tuple[bytes, int]:
        size = array.array("i").itemsize
        while True:
            try:
                packet, ancillary, _flags, _address = self._control.recvmsg(
                    msg.PACKET_BYTES, socket.CMSG_LEN(size), socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                await anyio.wait_readable(self._control)
                continue
            received = array.array("i")
            for _level, _kind, data in ancillary:
                received.frombytes(data[: len(data) - len(data) % size])
            return packet, received[0] if received else -1

    def _note(self, message: msg.FromTemplate, descriptor: int) -> None:
        match message:
            case msg.Prepared():
                self.prepared = True
                self.ready.set()
            case msg.Unfit(reason=reason):
                self.unfit = reason
            case msg.Forked(worker_id=worker_id, pid=pid) if worker_id in self._replies:
                child = self._children[pid] = ForkedChild(descriptor)
                descriptor = -1
                self._answer(worker_id, child, "")
            case msg.NotForked(worker_id=worker_id, reason=reason):
                self._answer(worker_id, None, reason)
            case msg.Ended(pid=pid, returncode=returncode) if pid in self._children:
                self._children.pop(pid).report(returncode)
        if descriptor >= 0:
            os.close(descriptor)

    def _answer(self, worker_id: str, child: ForkedChild | None, reason: str) -> None:
        reply = self._replies.get(worker_id)
        if reply is not None:
            reply.child, reply.reason = child, reason
            reply.done.set()

    def _end(self) -> None:
        self.ended, self.prepared = True, False
        self.ready.set()
        for reply in self._replies.values():
            reply.done.set()
        if self._shared_fate:
            for child in self._children.values():
                child.report(-signal.SIGKILL)


class ForkedChild:
    """A process that another process started for the gateway, and whose end that process reports.

    ``descriptor`` is its pidfd; -1 if it ended before a pidfd could be opened. ``inbound`` and
    ``outbound`` are the gateway's ends of its pipes. ``keeper`` is set by a sandbox, see
    :meth:`keep`.
    """

    inbound = -1
    outbound = -1
    keeper: Callable[[ForkedChild], None] | None = None

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.pid = _pid_of(descriptor)
        self._returncode: int | None = None
        self._reported = anyio.Event()

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def ended(self) -> bool:
        """True if the process has ended; this never waits."""
        if self._reported.is_set() or self._descriptor < 0:
            return True
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def report(self, returncode: int) -> None:
        """Let :meth:`wait` return this code, which the parent of the process has reported.

        The socket's reader calls this. If there are several reports, the first one counts.
        """
        if not self._reported.is_set():
            self._returncode = returncode
            self._reported.set()

    async def gone(self) -> None:
        """Wait until the process has ended, but not for the report of its return code."""
        if self._descriptor >= 0:
            # A copy, as two tasks may wait, and the event loop watches a descriptor only once.
            copy = os.dup(self._descriptor)
            try:
                await anyio.wait_readable(copy)
            finally:
                anyio.notify_closing(copy)
                os.close(copy)
            self._close()  # this object may live until the next garbage collection

    async def wait(self) -> int | None:
        """Wait for the end of the process and return its return code.

        Returns None if no report comes within 1 s after the end.
        """
        await self.gone()
        with anyio.move_on_after(_REPORT_SECONDS):
            await self._reported.wait()
        return self._returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process; do nothing if it has ended."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):  # it has ended, or the descriptor is no pidfd
                signal.pidfd_send_signal(self._descriptor, number)

    def keep(self, other: object) -> None:
        """Keep the sandbox of this process open until ``other`` has ended too.

        A template calls this for each worker that it forks: the worker may outlive it. Nothing is
        done if this process is in no sandbox.
        """
        if self.keeper is not None and isinstance(other, ForkedChild):
            self.keeper(other)


def _pid_of(descriptor: int) -> int:
    """Return the pid of a pidfd, as this process sees it; 0 if unknown."""
    with contextlib.suppress(OSError, ValueError):
        for line in (proc.own() / "fdinfo" / str(descriptor)).read_text("ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "Pid":
                return int(value)
    return 0
