"""Shared fate: what one profile's turn does to the others' by failing, or by what it leaves.

The code runs inside the agent's process, as a plugin's tool does.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from tests.kit import DEFAULT_KEY
from tests.kit.model.directives import tool
from tests.tools.leaks.row import LOCAL, SANDBOX, SIDES, Row
from tests.tools.leaks.side import Side, found
from tests.tools.leaks.world import ALICE, BOB, BROKEN, PROCESSES, World, plant_file

HOLD_SECONDS = 20
_LEFT, _BOMB = 40, 2 * PROCESSES


def ends(code: str) -> Callable[[Side], str]:
    """Return the probe that has alice's turn run deadly code, and looks who else ends."""
    return partial(_ends, code=code)


def _ends(side: Side, code: str) -> str:
    mark, seq = side.mark(), side.telegram.seq
    once = side.world[ALICE].path / "workspace" / f"once-{mark}"
    # Hermes 0.22 takes the turn up again when the gateway starts: it must not end it for ever.
    code = f"open({str(once)!r}, 'x').close()\n{code}"
    call = tool("inside", code=code)
    topic = side.say(ALICE, f"{call} [[say done {mark}]]")

    def over() -> bool:
        replies = side.telegram.transcript(thread_id=topic)
        return not side.gateway.running or any(message.seq > seq for message in replies)

    if not side.wait(over, 90):
        side.unsure("alice's turn neither ends nor fails")
    side.wait(lambda: not side.gateway.running, 2)
    if not side.gateway.running:
        return "the gateway ends, and every profile's turns"
    side.ask(BOB, f"[[say done {mark}]]", contains=f"done {mark}")
    return ""


def _seconds(side: Side, topic: int) -> float:
    mark, begun = side.mark(), time.monotonic()
    side.ask(BOB, f"[[say done {mark}]]", topic, contains=f"done {mark}")
    return time.monotonic() - begun


_SPIN = f"""
import threading, time
end = time.time() + {HOLD_SECONDS}
def spin():
    while time.time() < end:
        pass
threads = [threading.Thread(target=spin) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
_GIL = f"import ctypes; ctypes.PyDLL(None).sleep({HOLD_SECONDS})"
_ROUNDS = 3
_SLOWER = 2.0
"""Between what a busy process beside the gateway does to an answer, and one in it."""


@dataclass(frozen=True)
class _Occupied:
    """A turn of alice's whose tool takes its time."""

    side: Side
    topic: int
    mark: str
    seq: int
    over: Path
    """There when the tool has done its work."""

    def wait_answered(self) -> None:
        if not self.side.wait(self._answered, 120):
            self.side.unsure("alice's turn does not end")

    def _answered(self) -> bool:
        replies = self.side.telegram.transcript(thread_id=self.topic)
        return any(f"done {self.mark}" in m.text and m.seq > self.seq for m in replies)


def _occupy(side: Side, code: str) -> _Occupied:
    """Have alice's turn run code that takes its time, and return when it has begun."""
    mark, seq = side.mark(), side.telegram.seq
    folder = side.world[ALICE].path / "workspace"
    begun, over = folder / f"begun-{mark}", folder / f"over-{mark}"
    whole = f"open({str(begun)!r}, 'w').close()\n{code}\nopen({str(over)!r}, 'w').close()"
    topic = side.say(ALICE, f"{tool('inside', code=whole)} [[say done {mark}]]")
    if not side.wait(begun.exists, 60):
        side.unsure("alice's tool did not begin")
    return _Occupied(side, topic, mark, seq, over)


def spin(side: Side) -> str:
    """Compare bob's best turn while alice's tool spins with his best while a stranger does.

    Either way the machine has as much to do. What differs is whose process it is, so that a busy or
    a slow machine makes no leak; what it does between the two is made up for by further rounds.
    """
    topic = side.world.fresh_topic(BOB)
    if all(_is_slower(side, topic) for _ in range(_ROUNDS)):
        return "bob's answers take a multiple of the time"
    return ""


def _is_slower(side: Side, topic: int) -> bool:
    _seconds(side, topic)
    stranger = subprocess.Popen([sys.executable, "-c", _SPIN])
    try:
        beside = _best(side, topic)
    finally:
        stranger.kill()
        stranger.wait()
    _seconds(side, topic)
    occupied = _occupy(side, _SPIN)
    within = _best(side, topic)
    occupied.wait_answered()
    return within > _SLOWER * beside


def _best(side: Side, topic: int) -> float:
    """Return the shortest of some turns of bob's: one of them finds a worker prepared."""
    begun, turns = time.monotonic(), [_seconds(side, topic)]
    while time.monotonic() - begun < HOLD_SECONDS / 3:
        turns.append(_seconds(side, topic))
    return min(turns)


def hold_interpreter(side: Side) -> str:
    """Ask bob while alice's turn is in a C call that keeps the interpreter's lock."""
    topic = side.world.fresh_topic(BOB)
    _seconds(side, topic)
    occupied = _occupy(side, _GIL)
    _seconds(side, topic)
    waited = occupied.over.exists()
    occupied.wait_answered()
    return "bob is answered only when alice's call is over" if waited else ""


def memory_growth(side: Side) -> str:
    side.inside(ALICE, "import builtins; builtins.leak_kept = bytearray(200 * 2**20)")
    shown = side.inside(BOB, "import builtins; result = len(getattr(builtins, 'leak_kept', b''))")
    return "200 MB of alice's stay in the process of bob's turn" if shown != "0" else ""


def changed_directory(side: Side) -> str:
    side.inside(ALICE, "import os; os.chdir('/'); result = os.getcwd()")
    shown = side.inside(BOB, "import os; result = os.getcwd()")
    return "bob's turn is where alice's went" if shown == "/" else ""


def written_environment(side: Side) -> str:
    side.inside(ALICE, "import os; os.environ['LEAK_WRITTEN'] = 'written-by-alice'")
    shown = side.inside(BOB, "import os; result = os.environ.get('LEAK_WRITTEN')")
    return found(shown, "written-by-alice")


_THREAD = """
import threading
thread = threading.Thread(target=threading.Event().wait, name="thread-of-alice", daemon=True)
thread.start()
"""


def endless_thread(side: Side) -> str:
    side.inside(ALICE, _THREAD)
    shown = side.inside(BOB, "import threading; result = [t.name for t in threading.enumerate()]")
    return found(shown, "thread-of-alice")


def _sleep(side: str) -> str:
    """Return seconds to sleep that no other side, and no other run of the suite, has."""
    return f"3{os.getpid():07}.{SIDES.index(side) + 5}"


def plant_loops(world: World) -> None:
    """Write the loops as scripts: Hermes's terminal refuses a command line with `&`."""
    sleep = _sleep(world.side)
    folder = world[ALICE].path / "workspace"
    leave = f"setsid sleep {sleep} > /dev/null 2>&1 &"
    plant_file(folder / "leave.sh", f"for i in $(seq {_LEFT}); do {leave} done; sleep 0.5\n")
    fork = f"sleep {sleep} & sleep 0.02;"
    plant_file(folder / "bomb.sh", f"for i in $(seq {_BOMB}); do {fork} done; wait\n")


def left_processes(side: Side) -> str:
    """Have alice's terminal start processes that detach themselves, and end the turn."""
    side.run(ALICE, f"bash {side.world[ALICE].path}/workspace/leave.sh")
    gone = side.wait(lambda: not _sleepers(side), 30)
    side.turn(BOB, "hello")
    return "" if gone or not _end_sleepers(side) else "they live on after alice's turn"


def fork_bomb(side: Side) -> str:
    """Have alice's terminal start process after process, and see whether anybody ends them."""
    mark, seen, most = side.mark(), side.model.seq, 0
    call = json.dumps({"command": f"bash {side.world[ALICE].path}/workspace/bomb.sh"})
    topic = side.say(ALICE, f"[[tool terminal {call}]] [[say done {mark}]]")
    side.model.wait_chat(mark, timeout=150, after=seen)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and most < _BOMB and (not most or _sleepers(side)):
        most = max(most, len(_sleepers(side)))
    if not most:
        side.unsure("no process was started")
    side.turn(BOB, "hello")
    if _end_sleepers(side):
        return "it grows until it is done, and nobody ends it"
    told = side.telegram.transcript(thread_id=topic)
    if not any(f"(limits.processes: {PROCESSES})" in message.text for message in told):
        side.unsure(f"nobody is told which limit it was: {[m.text for m in told]}")
    return ""


def _sleepers(side: Side) -> list[psutil.Process]:
    wanted = ["sleep", _sleep(side.name)]
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == wanted]


def _end_sleepers(side: Side) -> int:
    """Kill what is left of the processes that the rows started; return how many there were."""
    left = _sleepers(side)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return len(left)


def plant_broken(world: World) -> None:
    plant_file(world[BROKEN].path / "config.yaml", "model: [unclosed\n  x: {\n")


def broken_configuration(side: Side) -> str:
    mark, seen = side.mark(), side.model.seq
    side.ask(BROKEN, f"hello {mark}")
    side.turn(BOB, "hello")
    keys = {r.api_key for r in side.model.requests("chat", after=seen) if mark in r.last_user}
    return "the launch profile's model answers for it" if DEFAULT_KEY in keys else ""


def restart_notice(side: Side) -> str:
    """Stop the gateway while bob's turn runs, and look whether his place is told."""
    mark, seen, seq = side.mark(), side.model.seq, side.telegram.seq
    hold = side.hold(f"hold {mark}")
    topic = side.say(BOB, f"hold {mark}")
    side.model.wait_chat(f"hold {mark}", timeout=150, after=seen)
    psutil.Process(side.gateway.pid).terminate()

    def told() -> bool:
        replies = side.telegram.transcript(thread_id=topic)
        return any("Gateway" in m.text and m.seq > seq for m in replies)

    side.wait(lambda: told() or not side.gateway.running, 30)
    answer = told()
    hold.set()
    side.restart()
    return "" if answer else "bob's place is not told that the gateway stops"


def restart_by_admin(side: Side) -> str:
    """Have the gateway end, in the last row: whatever starts it again is a service's business."""
    before = side.gateway.pid
    side.say(BOB, "/restart")
    ended = side.wait(lambda: not side.gateway.running or side.gateway.pid != before, 60)
    return "the gateway of all restarts" if ended else ""


ROWS = (
    Row(
        key="A1",
        what="an unreadable configuration of another profile",
        plant=plant_broken,
        probe=broken_configuration,
        upstream=(52796, 50051, 59798, 85413),
        unseen="Hermes goes on without a profile whose configuration cannot be read",
    ),
    Row(
        key="A4",
        what="memory that another profile's turn keeps",
        probe=memory_growth,
        upstream=(58817, 81625, 80764),
    ),
    Row(
        key="A6c",
        what="`os.chdir` in another profile's tool",
        probe=changed_directory,
    ),
    Row(
        key="A6e",
        what="a write to `os.environ` in another profile's tool",
        probe=written_environment,
    ),
    Row(
        key="A6t",
        what="a thread that never ends, of another profile's tool",
        probe=endless_thread,
    ),
    Row(
        key="A7",
        what="processes that another profile's turn leaves behind",
        plant=plant_loops,
        probe=left_processes,
    ),
    Row(
        key="A8",
        what="a fork bomb in another profile's tool, until a limit ends it",
        probe=fork_bomb,
    ),
    Row(
        key="A2s",
        what="a busy loop in another profile's tool slows the answers",
        probe=spin,
        upstream=(58576, 100014, 84047),
        alone=True,
    ),
    Row(
        key="A2g",
        what="a C call that holds the interpreter stops the answers",
        probe=hold_interpreter,
        upstream=(58576,),
        alone=True,
    ),
    Row(
        key="A3x",
        what="`os._exit` in another profile's tool",
        probe=ends("import os; os._exit(7)"),
    ),
    Row(
        key="A3s",
        what="a segmentation fault in another profile's tool",
        probe=ends("import ctypes; ctypes.string_at(0)"),
    ),
    Row(
        key="A3e",
        what="`sys.exit` in another profile's tool",
        probe=ends("import sys; sys.exit(3)"),
    ),
    Row(
        key="R10",
        what="a place is not told that the gateway stops while its turn runs",
        probe=restart_notice,
        upstream=(118233,),
        unseen="Hermes tells each conversation that is at work, whoever serves it",
    ),
    Row(
        key="A5",
        what="`/restart` in a profile's place, by an admin of the gateway",
        probe=restart_by_admin,
        upstream=(119971,),
        by_design=dict.fromkeys((LOCAL, SANDBOX), "it is a command to the gateway"),
        alone=True,
    ),
)
