"""Process: what the kernel lets one profile's tools see and do of another's processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.tools.leaks.row import IN_PROCESS, LOCAL, SAME_USER, SANDBOX, Row
from tests.tools.leaks.side import Side, found
from tests.tools.leaks.world import ALICE, BOB, World

_PTRACE = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
for pid in map(int, sys.argv[1:]):
    if libc.ptrace(0x4206, pid, 0, 0) == 0:
        print(f"traced-{pid}")
        libc.ptrace(17, pid, 0, 0)
"""
_LISTEN = """
import socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(chr(0) + sys.argv[1])
server.listen()
print("listening", flush=True)
server.settimeout(60)
server.accept()[0].sendall(b"said-by-alice")
"""
_CONNECT = """
import socket, sys
client = socket.socket(socket.AF_UNIX)
client.connect(chr(0) + sys.argv[1])
print(client.recv(99).decode())
"""


@contextlib.contextmanager
def working(side: Side) -> Iterator[list[int]]:
    """Have alice's turn wait for the model; yield the processes that it is, as the host sees them.

    In process that is the gateway.
    """
    mark, seen, seq = side.mark(), side.model.seq, side.telegram.seq
    hold = side.hold(f"hold {mark}")
    topic = side.say(ALICE, f"hold {mark}")
    side.model.wait_chat(f"hold {mark}", timeout=150, after=seen)
    try:
        yield [side.gateway.pid] if side.name == IN_PROCESS else _workers(side)
    finally:
        hold.set()
    side.telegram.wait_reply(
        side.world.forum, topic, contains=f"held {mark}", after=seq, timeout=90
    )


def _workers(side: Side) -> list[int]:
    home = str(side.world[ALICE].path)
    found_ones = []
    for process in psutil.Process(side.gateway.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.environ().get("HERMES_HOME") == home and "hermes_router_worker" in " ".join(
                process.cmdline()
            ):
                found_ones.append(process.pid)
    if not found_ones:
        side.unsure("alice's worker is not found")
    return found_ones


def _list(pids: list[int]) -> str:
    return " ".join(map(str, pids))


def gateway_environment(side: Side) -> str:
    shown = side.run(BOB, f"tr '\\0' '\\n' < /proc/{side.gateway.pid}/environ | grep KIT_ROOT")
    return found(shown, "HERMES_ROUTER_KIT_ROOT")


def worker_environment(side: Side) -> str:
    with working(side) as pids:
        look = "tr '\\0' '\\n' < /proc/$p/environ | grep -c HERMES && echo OPEN"
        shown = side.run(BOB, f"for p in {_list(pids)}; do {look}; done")
    return "the environment of alice's turn" if "OPEN" in shown else ""


def worker_descriptors(side: Side) -> str:
    with working(side) as pids:
        shown = side.run(
            BOB, f"for p in {_list(pids)}; do ls /proc/$p/fd/ > /dev/null && echo OPEN; done"
        )
    return "the descriptors of alice's turn" if "OPEN" in shown else ""


def worker_memory(side: Side) -> str:
    """Attach to the processes of alice's turn, as a debugger would."""
    script = side.world[BOB].path / "workspace" / "trace.py"
    with working(side) as pids:
        shown = side.run(BOB, f"python3 {script} {_list(pids)}")
    return "the memory of alice's turn (ptrace)" if "traced-" in shown else ""


def plant_scripts(world: World) -> None:
    for name, text in (("trace.py", _PTRACE), ("connect.py", _CONNECT)):
        (world[BOB].path / "workspace" / name).write_text(text)
    (world[ALICE].path / "workspace" / "listen.py").write_text(_LISTEN)


def signals(side: Side) -> str:
    with working(side) as pids:
        every = [*pids, side.gateway.pid]
        shown = side.run(BOB, f"for p in {_list(every)}; do kill -0 $p && echo may-kill-$p; done")
    may = [
        name
        for name, targets in (("alice's turn", pids), ("the gateway", [side.gateway.pid]))
        if any(f"may-kill-{pid}" in shown for pid in targets)
    ]
    return f"bob may signal {' and '.join(may)}" if may else ""


def tool_environment(side: Side) -> str:
    """Look for what a child of alice's terminal was started with."""
    command = "LEAK_CHILD=child-of-alice sleep 26.5"
    side.call(ALICE, "terminal", command=command, background=True)
    shown = side.run(BOB, "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -a LEAK_CH")
    return found(shown, "child-of-alice")


_FILES = """
import os
names = []
for number in os.listdir("/proc/self/fd"):
    try:
        names.append(os.readlink(f"/proc/self/fd/{number}"))
    except OSError:
        pass
result = "open: " + " ".join(sorted(set(n for n in names if n.startswith(%r))))
"""


def open_files(side: Side) -> str:
    """List the files that the process of bob's turn holds open, and his terminal's inherit."""
    root, own = side.world.root.path, side.world[BOB].path
    shown = side.inside(BOB, _FILES % str(root))
    if "open:" not in shown:
        side.unsure(shown)
    shown += " " + side.run(BOB, "readlink /proc/self/fd/*")
    paths = [Path(word) for word in shown.split() if word.startswith(str(root))]
    foreign = {path.name for path in paths if not path.is_relative_to(own)}
    return "the launch profile's files are open" if foreign else ""


def shared_tmp(side: Side) -> str:
    mark = side.mark()
    path = Path("/tmp") / f"leaks-{side.name}-{mark}"
    side.run(ALICE, f"echo tmp-of-alice > {path}")
    try:
        return found(side.run(BOB, f"cat {path}"), "tmp-of-alice")
    finally:
        path.unlink(missing_ok=True)


def private_tmp(side: Side) -> str:
    side.run(ALICE, "echo tmpdir-of-alice > $TMPDIR/leak-in-tmpdir")
    return found(side.run(BOB, "cat $TMPDIR/leak-in-tmpdir"), "tmpdir-of-alice")


def abstract_socket(side: Side) -> str:
    name = f"leaks-{side.name}-{side.mark()}-{side.gateway.pid}"
    homes = {who: side.world[who].path / "workspace" for who in (ALICE, BOB)}
    log = homes[ALICE] / "listening"
    command = f"python3 {homes[ALICE]}/listen.py {name} > {log} 2>&1"
    side.call(ALICE, "terminal", command=command, background=True)
    if not side.wait(lambda: "listening" in side.read(log), 30):
        side.unsure(f"nobody listens: {side.read(log)}")
    return found(side.run(BOB, f"python3 {homes[BOB]}/connect.py {name}"), "said-by-alice")


_DUMPABLE = """
import ctypes, resource
limit = resource.getrlimit(resource.RLIMIT_CORE)[0]
result = f"core limit={limit} dumpable={ctypes.CDLL(None).prctl(3)}"
"""


def core_dump(side: Side) -> str:
    shown = side.inside(BOB, _DUMPABLE)
    if "limit=" not in shown:
        side.unsure(shown)
    return "" if "limit=0 " in shown or "dumpable=0" in shown else "it would be written"


ONE_NETWORK = "abstract sockets belong to the network, which is shared unless network: off"

ROWS = (
    Row(
        key="P1g",
        what="the gateway's environment in `/proc/<pid>/environ`",
        probe=gateway_environment,
        by_design=SAME_USER,
    ),
    Row(
        key="P1",
        what="the environment of another profile's turn in `/proc/<pid>/environ`",
        probe=worker_environment,
    ),
    Row(
        key="P1t",
        what="the environment of another profile's tool processes",
        probe=tool_environment,
        by_design=SAME_USER,
    ),
    Row(
        key="P2",
        what="the descriptors of another profile's turn in `/proc/<pid>/fd`",
        probe=worker_descriptors,
    ),
    Row(
        key="P3",
        what="the memory of another profile's turn by ptrace",
        plant=plant_scripts,
        probe=worker_memory,
    ),
    Row(
        key="P4",
        what="signals to the gateway or another profile's turn",
        probe=signals,
        by_design=SAME_USER,
    ),
    Row(
        key="P5",
        what="another home's files open in the process of a turn",
        probe=open_files,
    ),
    Row(
        key="P6",
        what="names in the shared `/tmp`",
        probe=shared_tmp,
        by_design=SAME_USER,
    ),
    Row(
        key="P6t",
        what="another profile's files in TMPDIR",
        probe=private_tmp,
    ),
    Row(
        key="P7",
        what="abstract Unix sockets of another profile",
        probe=abstract_socket,
        by_design={LOCAL: ONE_NETWORK, SANDBOX: ONE_NETWORK},
    ),
    Row(
        key="P8",
        what="a core dump of the process that runs a turn",
        probe=core_dump,
    ),
)
