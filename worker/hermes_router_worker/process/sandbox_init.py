"""``python -m hermes_router_worker.process.sandbox_init FD``: the first process of a sandbox.

It starts workers and templates in the sandbox on request, reaps every process that ends there, and
reports the ends of those that it started. It is process 1 of the sandbox's pid namespace, so no
process inside can kill it. It ends when the gateway closes the control socket FD or dies; then the
kernel kills all processes inside. It holds no secret: the request for a worker brings what the
worker gets.
"""

from __future__ import annotations

import array
import contextlib
import os
import select
import signal
import socket
import sys

from hermes_router.protocol import template as msg
from hermes_router_worker.process import linux

#: Input, output, standard error, and the log; for a template the control socket is the last one.
_MOST_DESCRIPTORS = 4


def main(control_descriptor: int) -> int:
    """Serve the control socket until the gateway closes it; return the exit status 0.

    Process 1 of the sandbox runs this. When it returns, the kernel kills all processes inside.
    """
    os.umask(0o077)
    linux.leave_no_core()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # for process 1 this means: do nothing
    control = socket.socket(fileno=control_descriptor)
    control.set_inheritable(False)
    _Keeper(control).serve()
    return 0


class _Keeper:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._wake, writer = os.pipe()
        for end in (self._wake, writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._children: set[int] = set()

    def serve(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._control.send(msg.encode(msg.Prepared(phases={})))
            poll = select.poll()
            poll.register(self._control, select.POLLIN)
            poll.register(self._wake, select.POLLIN)
            while True:
                for descriptor, _events in poll.poll():
                    if descriptor == self._wake:
                        self._reap()
                    elif not self._answer():
                        return

    def _answer(self) -> bool:
        """Handle one request; return False if there will be no more requests."""
        size = array.array("i").itemsize
        packet, ancillary, _flags, _address = self._control.recvmsg(
            msg.PACKET_BYTES, socket.CMSG_LEN(_MOST_DESCRIPTORS * size), socket.MSG_CMSG_CLOEXEC
        )
        if not packet:
            return False
        received = array.array("i")
        for _level, _kind, data in ancillary:
            received.frombytes(data[: len(data) - len(data) % size])
        request = msg.decode_to_keeper(packet)
        try:
            pid = _spawn(request, list(received))
        except OSError as error:
            refusal = msg.NotForked(worker_id=request.worker_id, reason=str(error))
            self._control.send(msg.encode(refusal))
        else:
            self._children.add(pid)
            linux.send_with_pidfd(
                self._control, msg.encode(msg.Forked(worker_id=request.worker_id, pid=pid)), pid
            )
        finally:
            for descriptor in received:
                os.close(descriptor)
        return True

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while (done := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = done
                if pid in self._children:
                    self._children.discard(pid)
                    returncode = os.waitstatus_to_exitcode(status)
                    self._control.send(msg.encode(msg.Ended(pid=pid, returncode=returncode)))


def _spawn(request: msg.Spawn, descriptors: list[int]) -> int:
    os.chdir(request.cwd)
    try:
        return os.posix_spawn(
            request.arguments[0],
            request.arguments,
            request.environment,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, descriptor, target)
                for target, descriptor in enumerate(descriptors)
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
    finally:
        os.chdir("/")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
