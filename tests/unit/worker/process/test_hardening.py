"""What a worker gives up, seen by another process of the same ordinary user."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.kit.roots import ordinary_user

OBSTACLE = (
    ordinary_user.obstacle() if sys.platform.startswith("linux") else "Linux's /proc is needed"
)
needs_ordinary_user = pytest.mark.skipif(OBSTACLE is not None, reason=f"NOT SHOWN: {OBSTACLE}")

# A worker, and as it were one that a template forked: both say their pid and wait.
HARDENED = """
import os, resource, sys
from hermes_router_worker.process import linux
secret = "this-is-in-memory"
linux.leave_no_core()
if "--new-privs" not in sys.argv: linux.give_up_new_privileges()
child = os.fork()
core = resource.getrlimit(resource.RLIMIT_CORE)
assert core == (0, 0), core
os.write(1, f"{os.getpid()}\\n".encode())
sys.stdin.read()
"""
# Another process of the same user: what of that one can it get at?
SIBLING = """
import ctypes, os, sys
pid = int(sys.argv[1])
def attempt(what, act):
    try: act()
    except OSError as error: print(what, error.strerror)
    else: print(what, "WORKED")
def attach():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0x4206, pid, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
attempt("environ", lambda: open(f"/proc/{pid}/environ", "rb").read())
attempt("mem", lambda: open(f"/proc/{pid}/mem", "rb"))
attempt("maps", lambda: open(f"/proc/{pid}/maps", "rb").read())
attempt("fd", lambda: os.listdir(f"/proc/{pid}/fd"))
attempt("ptrace", attach)
"""
ALL_CLOSED = ["environ", "mem", "maps", "fd", "ptrace"]


def as_user(*arguments: str) -> list[str]:
    return ordinary_user.as_ordinary_user([sys.executable, "-c", *arguments])


def sibling_of(pid: int) -> str:
    """Say what another process of the same user can do with ``pid``."""
    return subprocess.run(
        as_user(SIBLING, str(pid)), capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.fixture
def hardened() -> Iterator[list[int]]:
    """The ids of a worker and of one that was forked from a prepared process."""
    with subprocess.Popen(
        as_user(HARDENED), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield [int(process.stdout.readline()) for _ in range(2)]
        process.stdin.close()


@needs_ordinary_user
def test_a_sibling_of_the_same_user_gets_at_nothing(hardened: list[int]) -> None:
    for pid in hardened:
        said = subprocess.run(
            as_user(SIBLING, str(pid)), capture_output=True, text=True, check=True
        )
        lines = dict(line.split(" ", 1) for line in said.stdout.splitlines())
        assert list(lines) == ALL_CLOSED
        assert set(lines.values()) <= {"Permission denied", "Operation not permitted"}, lines


@needs_ordinary_user
def test_without_hardening_the_sibling_gets_at_it_all() -> None:
    """The probe above can see something: a process that did not harden itself is open."""
    plain = "import os, sys; os.write(1, f'{os.getpid()}\\n'.encode()); sys.stdin.read()"
    with subprocess.Popen(
        as_user(plain), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = sibling_of(int(process.stdout.readline()))
        assert process.stdin is not None
        process.stdin.close()
    assert "environ WORKED" in said


@needs_ordinary_user
def test_a_forked_worker_has_given_up_privileges_and_core_dumps_too(hardened: list[int]) -> None:
    for pid in hardened:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:  # noqa: PTH123
            assert "NoNewPrivs:\t1" in status.read()


def test_the_tree_ends_with_the_gateway_where_the_kernel_does_not_help() -> None:
    """The end of the pipe is enough: neither death signals nor subreapers are needed."""
    script = (
        "from hermes_router_worker.process import linux\n"
        "linux._prctl = lambda *_a, **_k: False\n"
        "from hermes_router_worker.process.supervisor import supervise\n"
        "supervise(0.3)\n"
        "import os, subprocess, time\n"
        "tool = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "os.write(1, f'{os.getpid()} {tool.pid}\\n'.encode())\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        process.stdin.close()  # as the end of the gateway does
        process.wait(60)
        gone, alive = psutil.wait_procs([p for p in map(_process, pids) if p is not None], 10)
        for left in alive:
            left.kill()
    assert not alive, gone


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None
