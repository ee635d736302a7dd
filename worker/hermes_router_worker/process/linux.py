"""The few Linux calls that Python does not wrap; each does nothing if the kernel lacks it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import select
import signal
import socket
import sys

from hermes_router.protocol.system import proc

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_GET_NO_NEW_PRIVS = 39

#: Added to the kernel's badness score (0 to 1000): the process with the highest score is killed
#: first.
_FIRST_TO_GO = 500
_MORE_CPU_SECONDS = 10


def become_subreaper() -> bool:
    """Let orphaned descendants become children of this process, which then can end them.

    Returns False if the kernel cannot do it.
    """
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when ``parent``, which forked it, ends.

    If ``parent`` has ended already, this process is killed at once. So no worker lives without its
    supervisor.
    """
    if _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) and os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def leave_no_core() -> None:
    """Have this process write no core dump, and hide its memory and environment.

    Other processes of the same user cannot read them then.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(_PR_SET_DUMPABLE, 0)


def be_ended_before_others() -> None:
    """When the machine runs out of memory, have the kernel end this tree before the gateway.

    Call this before :func:`leave_no_core`: after it, the file to write belongs to root.
    """
    with contextlib.suppress(OSError):
        path = proc.own() / "oom_score_adj"
        path.write_text(str(max(_FIRST_TO_GO, int(path.read_text("ascii")))), "ascii")


def set_limits(*, open_files: float | None, cpu_seconds: float | None) -> None:
    """Limit the open files and CPU time of this process, and of each process that it starts.

    A worker's supervisor calls it in the worker. None means no limit. ``cpu_seconds`` is for each
    single process and a few seconds higher, because the supervisor watches the whole tree.
    """
    if open_files:
        _lower(resource.RLIMIT_NOFILE, int(open_files))
    if cpu_seconds:
        _lower(resource.RLIMIT_CPU, int(cpu_seconds) + _MORE_CPU_SECONDS)


def _lower(kind: int, most: int) -> None:
    _soft, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def give_back_memory() -> None:
    """Return freed memory to the kernel, if the C library can do it (glibc).

    A template calls it before it forks, because each fork begins with its memory.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def give_up_new_privileges() -> bool:
    """Let no program that this process runs gain privileges from the file that it runs.

    A worker calls it at its start unless the profile may gain privileges. It holds for all
    descendants and cannot be undone. Returns False if the kernel lacks it.
    """
    return _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def gave_up_new_privileges() -> bool:
    """Return True if :func:`give_up_new_privileges` holds for this process."""
    return _prctl(_PR_GET_NO_NEW_PRIVS, 0, wanted=1)


def send_with_pidfd(control: socket.socket, packet: bytes, pid: int) -> None:
    """Send a packet with a pidfd (a descriptor) of the child ``pid``, if the kernel has pidfds.

    The gateway can then wait for the end of a process that is not its child. Without pidfds, the
    packet is sent alone.

    Raises:
        OSError: the gateway has closed the socket.
    """
    descriptor = pidfd_of(pid)
    if descriptor is None:
        control.send(packet)
        return
    try:
        socket.send_fds(control, [packet], [descriptor])
    finally:
        os.close(descriptor)


def pidfd_of(pid: int) -> int | None:
    """Return a descriptor of the process ``pid``; None if it has ended, or there are no pidfds.

    The caller closes it.
    """
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def has_ended(pidfd: int) -> bool:
    """Return True if the process of a pidfd has ended, also if nobody has reaped it yet."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def _prctl(option: int, value: int, *, wanted: int = 0) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(option, value, 0, 0, 0) == wanted)
