"""What keeps a template from forking, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="templates need Linux")

_PROGRAM = """
import _thread, os, select, socket, sqlite3, sys, threading, time
from hermes_router_worker.startup.fork_safety import obstacle
ours, theirs = socket.socketpair()
expected = [0, 1, 2, ours.fileno(), theirs.fileno()]
{left}
print(obstacle(expected), flush=True)
os._exit(0)
"""


def obstacle_of(left: str, folder: Path) -> str:
    """Return what a process says that has done something before it would fork."""
    command = [sys.executable, "-c", _PROGRAM.format(left=left)]
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True
    )
    return done.stdout.decode().strip()


@pytest.mark.parametrize(
    "harmless",
    [
        "pass",
        "log = open('log', 'a')",
        "log = open('log', 'w'); log.close(); log = open('log')",
        "null = open('/dev/null', 'r+b', buffering=0)",
        "folder = os.open('.', os.O_RDONLY)",
        "thread = threading.Thread(target=print); thread.start(); thread.join()",
        "base = sqlite3.connect('x.db'); base.execute('create table x (y)'); base.close()",
    ],
)
def test_a_process_may_fork_with_what_it_has_for_talking_with_logs_and_devices(
    harmless: str, tmp_path: Path
) -> None:
    assert obstacle_of(harmless, tmp_path).splitlines()[-1] == "None"


def test_a_thread_that_has_just_ended_is_none(tmp_path: Path) -> None:
    """The kernel lists some of them for a moment after they have been joined."""
    often = (
        "for _ in range(1500):\n"
        "    thread = threading.Thread(target=len, args=('',)); thread.start(); thread.join()\n"
        "    found = obstacle(expected)\n"
        "    assert found is None, found\n"
    )
    assert obstacle_of(often, tmp_path) == "None"


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        (
            "threading.Thread(target=time.sleep, args=(99,), name='of-a-plugin').start()",
            "threads are running: MainThread, of-a-plugin",
        ),
        (
            "_thread.start_new_thread(time.sleep, (99,))",
            "1 threads that Python does not know are running",
        ),
        ("one = socket.socket()", "descriptors are open: 5 is socket:["),
        ("reader, writer = os.pipe()", "descriptors are open: 5 is pipe:["),
        ("events = select.epoll()", "descriptors are open: 5 is anon_inode:[eventpoll]"),
        (
            "import ctypes; events = ctypes.CDLL(None).inotify_init()",
            "is anon_inode:inotify",  # importing ctypes may open one that does no harm
        ),
        ("lock = open('lock', 'w')", "/lock"),
        ("base = sqlite3.connect('x.db'); base.execute('create table x (y)')", "/x.db"),
        ("open('y', 'wb').write(b'SQLite format 3\\0'); base = open('y', 'rb')", "/y"),
    ],
)
def test_a_process_may_not_fork_with(left: str, reason: str, tmp_path: Path) -> None:
    assert reason in obstacle_of(left, tmp_path)
