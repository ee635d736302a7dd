"""A template: a process of one profile that has imported everything, and that forks workers.

Importing Hermes takes seconds; forking a process that has done it takes milliseconds. A template
belongs to one profile, because Hermes's modules keep the profile's paths from their import.

Why forking is safe here: ``warmup`` leaves the process in a safe state, and :mod:`.fork_safety`
checks this after the preparation and before each fork.

- The process has one thread, so no lock can be held by a thread that the child lacks. Hermes's log
  listener is the one thread that imports start; it is stopped before the fork and started again in
  the child.
- It holds no socket except the control socket, which the child closes, no open database, and no
  queue of events: what the preparation opened is closed again. Two processes on one connection
  would mix their traffic.
- The lease of a generation of dependencies is a locked file whose lock all forked processes share:
  :mod:`~hermes_router_worker.hermes.startup.generation` has it last as long as any of them.
- It runs no event loop: the child makes its own.

A profile's own plugins may break these rules when they are imported. Then the template says why,
and ends; the profile's workers are started cold.

A template reads no session state, so that a worker sees what other workers wrote until its turn
begins.
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
from hermes_router_worker.hermes.startup import generation, logs, speedups, warmup
from hermes_router_worker.process import gateway_watch, linux, scratch, title
from hermes_router_worker.process.supervisor import supervise
from hermes_router_worker.startup import bootstrap, fork_safety, steps

logger = logging.getLogger(__name__)

_DESCRIPTORS = 3


def main(
    profile: str, control_descriptor: int, tmp: str | None = None, *, share_auth: bool = False
) -> None:
    """Import Hermes as the profile, then fork a worker at each request of the gateway.

    Requests come over the socket on ``control_descriptor``, until the gateway closes it. The
    workers' TMPDIRs are made in ``tmp`` if that is given; otherwise the gateway made them. Returns
    only in a forked worker, whose pipe is then on the descriptors 0 to 2. The template's own
    process ends inside this function.
    """
    control = socket.socket(fileno=control_descriptor)
    control.set_inheritable(False)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    with gateway_watch.ended_with(control):
        phases = _prepare(profile, share_auth=share_auth)
    template = _Template(control, profile, tmp)
    template.end_if_unsafe()
    title.show(profile, "template")
    template.serve(msg.Prepared(phases=phases))


def _prepare(profile: str, *, share_auth: bool) -> dict[str, float]:
    """Import all that a worker needs; return how many seconds each phase took."""
    begun = time.monotonic()
    speedups.pause_collector()
    bootstrap.become_profile(profile, share_auth=share_auth)
    imported = time.monotonic()
    warmup.everything(steps.sync_skills)
    bootstrap.versions()  # every worker reports them
    phases = {"import": imported - begun, "preload": time.monotonic() - imported}
    logs.quiet_logging()
    gc.collect()
    linux.give_back_memory()
    speedups.resume_collector()  # only what is made later: existing pages stay shared
    return phases


class _Template:
    def __init__(self, control: socket.socket, profile: str, tmp: str | None) -> None:
        self._control = control
        self._profile = profile
        self._tmp = tmp
        self._gateway = os.getppid()
        reader, writer = os.pipe()
        self._wake = (reader, writer)
        for end in self._wake:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._leave())
        self._children: set[int] = set()

    def end_if_unsafe(self) -> None:
        """End this process, and say why, if the preparation left it unsafe to fork."""
        reason = generation.lease_for_all_forks() or fork_safety.obstacle(self._own())
        if reason is not None:
            self._refuse(msg.Unfit(reason=reason))

    def serve(self, prepared: msg.Prepared) -> None:
        """Tell the gateway that the template is ready, and fork on request.

        Returns only in the child.
        """
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
        """Handle one request; return whether this process is the child."""
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
        tempfile.tempdir = None  # Python finds it again, from the worker's own TMPDIR
        supervise(
            request.grace,
            request.limits,
            profile=self._profile,
            remove_tmpdir=self._tmp is not None,
            waits=True,
            gateway=self._gateway,
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
        return {0, 1, 2, self._control.fileno(), *self._wake, *generation.leases()}

    def _refuse(self, refusal: msg.Unfit | msg.NotForked) -> NoReturn:
        # Hermes's logging is stopped: descriptor 2 is the worker log.
        os.write(2, f"workers cannot be prepared, so they start cold: {refusal.reason}\n".encode())
        self._tell(refusal)
        self._leave()

    def _leave(self) -> NoReturn:
        """End the template; the supervisors of its workers keep running without it."""
        logging.shutdown()
        os._exit(0)


def _missing(descriptors: list[int]) -> str | None:
    if len(descriptors) != _DESCRIPTORS:
        return f"the request came with {len(descriptors)} descriptors, not {_DESCRIPTORS}"
    return None


if not sys.platform.startswith("linux"):
    raise ImportError("templates need Linux: elsewhere forking after imports is not safe")
