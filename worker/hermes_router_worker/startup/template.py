"""A template: a process of one profile in which everything is imported, and that forks workers.

Importing Hermes costs seconds, forking a process that has done it costs milliseconds. A template
belongs to one profile, because Hermes's modules freeze the profile's paths when they are imported.

Why forking is safe here. :mod:`.preload` leaves the process so, and :mod:`.fork_safety` checks it
when all is prepared and before each fork:

- it has one thread: no lock can be held by a thread that the child does not have. Hermes's log
  listener, the one thread that imports start, is stopped before and started in the child;
- it holds no socket but the control socket, which the child closes, no open database, no queue of
  events: what the preparation opened is closed again. A connection shared by two processes would
  mix their traffic;
- it runs no event loop: the child makes its own.

What a profile's own plugins do when they are imported may be otherwise. Such a template says why,
and ends: the profile's workers are started cold.

It reads no session state, so that a worker sees what its siblings wrote until its turn begins.
"""

from __future__ import annotations

import array
import contextlib
import gc
import logging
import os
import select
import signal
import socket
import sys
import tempfile
import time
from typing import NoReturn

from hermes_router.protocol import template as msg
from hermes_router_worker.process import linux, scratch, title
from hermes_router_worker.process.supervisor import supervise
from hermes_router_worker.startup import bootstrap, fork_safety, speedups, warmup

logger = logging.getLogger(__name__)

_DESCRIPTORS = 3


def main(
    profile: str, control_descriptor: int, tmp: str | None = None, *, share_auth: bool = False
) -> None:
    """Prepare, then fork on request until the gateway closes the control socket.

    The workers' TMPDIRs are made in ``tmp`` if that is given; otherwise the gateway made them.
    Returns only in a forked worker, whose pipe is then on the descriptors 0 to 2. The template's
    own process ends in here.
    """
    control = socket.socket(fileno=control_descriptor)
    control.set_inheritable(False)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    begun = time.monotonic()
    speedups.pause_collector()
    bootstrap.become_profile(profile, share_auth=share_auth)
    imported = time.monotonic()
    warmup.everything()
    bootstrap.versions()  # every worker says them
    phases = {"import": imported - begun, "preload": time.monotonic() - imported}
    warmup.quiet_logging()
    gc.collect()
    linux.give_back_memory()
    speedups.resume_collector()  # not for what is there: its pages are shared until somebody writes
    template = _Template(control, profile, tmp)
    template.end_if_unsafe()
    title.show(profile, "template")
    template.serve(msg.Prepared(phases=phases))


class _Template:
    def __init__(self, control: socket.socket, profile: str, tmp: str | None) -> None:
        self._control = control
        self._profile = profile
        self._tmp = tmp
        reader, writer = os.pipe()
        self._wake = (reader, writer)
        for end in self._wake:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._leave())
        self._children: set[int] = set()

    def end_if_unsafe(self) -> None:
        """End this process, and say why, if what was prepared left it unfit for forking."""
        reason = fork_safety.obstacle(self._own())
        if reason is not None:
            self._refuse(msg.Unfit(reason=reason))

    def serve(self, prepared: msg.Prepared) -> None:
        """Fork on request; return in the child only."""
        self._tell(prepared)
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake[0], select.POLLIN)
        while True:
            for descriptor, _events in poll.poll():
                if descriptor == self._wake[0]:
                    self._reap()
                elif self._answer():
                    return

    def _answer(self) -> bool:
        """Handle one request; return whether this is the child."""
        size = _DESCRIPTORS * array.array("i").itemsize
        packet, ancillary, _flags, _address = self._control.recvmsg(
            msg.PACKET_BYTES, socket.CMSG_LEN(size)
        )
        if not packet:
            self._leave()
        received = array.array("i")
        for _level, _kind, data in ancillary:
            received.frombytes(data[: len(data) - len(data) % received.itemsize])
        request = msg.decode_to_template(packet)
        try:
            return self._fork(request, list(received))
        finally:
            for descriptor in received:
                with contextlib.suppress(OSError):
                    os.close(descriptor)

    def _fork(self, request: msg.Fork, descriptors: list[int]) -> bool:
        reason = _missing(descriptors) or fork_safety.obstacle(self._own() | set(descriptors))
        if reason is not None:
            self._refuse(msg.NotForked(worker_id=request.worker_id, reason=reason))
        pid = os.fork()
        if pid == 0:
            self._become_worker(request, descriptors)
            return True
        self._children.add(pid)
        forked = msg.encode(msg.Forked(worker_id=request.worker_id, pid=pid))
        try:
            linux.send_with_pidfd(self._control, forked, pid)
        except OSError:  # the gateway is gone
            self._leave()
        return False

    def _become_worker(self, request: msg.Fork, descriptors: list[int]) -> None:
        self._control.close()
        signal.set_wakeup_fd(-1)
        for end in self._wake:
            os.close(end)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
        os.setsid()
        os.environ.update(request.environment)
        if self._tmp is not None:
            scratch.move_into(self._tmp)
        tempfile.tempdir = None  # decided anew, from the worker's own TMPDIR
        supervise(
            request.grace,
            request.limits,
            profile=self._profile,
            remove_tmpdir=self._tmp is not None,
            waits=True,
        )
        title.show(self._profile, "starting")

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake[0], 4096)
        for pid in list(self._children):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self._children.discard(pid)
                returncode = os.waitstatus_to_exitcode(status)
                self._tell(msg.Ended(pid=pid, returncode=returncode))

    def _tell(self, message: msg.FromTemplate) -> None:
        try:
            self._control.send(msg.encode(message))
        except OSError:  # the gateway is gone
            self._leave()

    def _own(self) -> set[int]:
        return {0, 1, 2, self._control.fileno(), *self._wake}

    def _refuse(self, refusal: msg.Unfit | msg.NotForked) -> NoReturn:
        # Hermes's logging is at rest: this descriptor is the worker log.
        os.write(2, f"workers cannot be prepared, they start cold: {refusal.reason}\n".encode())
        self._tell(refusal)
        self._leave()

    def _leave(self) -> NoReturn:
        """End the template; its workers' supervisors go on and see for themselves."""
        logging.shutdown()
        os._exit(0)


def _missing(descriptors: list[int]) -> str | None:
    if len(descriptors) != _DESCRIPTORS:
        return f"{len(descriptors)} descriptors came along, not {_DESCRIPTORS}"
    return None


if not sys.platform.startswith("linux"):
    raise ImportError("templates need Linux: elsewhere forking after imports is not safe")
