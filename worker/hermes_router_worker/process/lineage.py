"""Which process is at the other end of a Unix socket, and whether it belongs to this worker."""

from __future__ import annotations

import os
import socket
import struct

from hermes_router.protocol.system import proc
from hermes_router.protocol.system.pids import parent_of

#: How many generations are searched; no sensible tree is deeper.
_GENERATIONS = 128

_CREDENTIALS = struct.Struct("3i")


def peers_are_known() -> bool:
    """Return True if this system tells which process is at the other end of a Unix socket."""
    return hasattr(socket, "SO_PEERCRED") and (proc.own() / "stat").exists()


def peer_of(connection: socket.socket) -> int:
    """Return the id of the process that connected to this end of a Unix socket.

    It is 0 if that process is outside this pid namespace. Call it only if :func:`peers_are_known`.
    """
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid: int = _CREDENTIALS.unpack(raw)[0]
    return pid


def roots() -> frozenset[int]:
    """Return the processes below which every process belongs to this worker.

    These are the worker, and the supervisor above it, which gets the processes that detached
    themselves from the worker. Process 1 of the system, or of a pid namespace, is never one of
    them.
    """
    return frozenset({os.getpid(), os.getppid()} - {0, 1})


def descends(pid: int, ancestors: frozenset[int]) -> bool:
    """Return True if the process ``pid`` is one of the ancestors or descends from one.

    The send server accepts only such processes. The answer is False if the process has ended.
    """
    for _generation in range(_GENERATIONS):
        if pid in ancestors:
            return True
        if pid <= 1:
            return False
        pid = parent_of(pid)
    return False
