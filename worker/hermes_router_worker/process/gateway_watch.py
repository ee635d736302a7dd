"""End this process with its gateway, also while it does not look at the gateway's socket.

While a template is prepared it runs the imports of Hermes and of the profile's plugins, and one of
them may hang, also in code that lets no other thread run. So another process looks for it. The
watcher is forked before anything is imported, and is gone again before the template forks workers.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Iterator

from hermes_router_worker.process import linux

#: Seconds for this process to end by itself after the gateway's end of the socket was closed.
_ORPHANED_SECONDS = 1.0

#: Milliseconds between two looks at whether this process still runs.
_LOOK_MS = 1000


@contextlib.contextmanager
def ended_with(control: socket.socket) -> Iterator[None]:
    """Kill this process if the other end of ``control`` is closed for 1 s while the block runs.

    This process must have one thread when the block begins. It has no more children than before
    when the block has ended.
    """
    watched = os.getpid()
    watcher = os.fork()
    if watcher == 0:
        try:
            _watch(control, watched)
        finally:
            os._exit(0)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(watcher, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(watcher, 0)


def _watch(control: socket.socket, watched: int) -> None:
    linux.die_with_parent(watched)
    for descriptor in range(3):  # the gateway waits for the end of what this process prints
        os.close(descriptor)
    poll = select.poll()
    poll.register(control, 0)  # a hang-up is always reported, data never is
    while not poll.poll(_LOOK_MS):
        if os.getppid() != watched:
            return
    time.sleep(_ORPHANED_SECONDS)
    if os.getppid() == watched:
        os.kill(watched, signal.SIGKILL)
