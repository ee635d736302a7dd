"""The dispatcher alone: real processes and pipes, no Hermes, against the least that could do it.

The worker is a script that speaks the protocol. The bare side is a spawn and an exchange of the
same messages over two pipes in an event loop, which checks, limits, logs and cleans up nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import resource
import sys
import tempfile
import time
import tracemalloc
from asyncio.subprocess import PIPE
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import anyio
import msgspec

from hermes_router.profiles.model import Profile
from hermes_router.protocol import messages as msg
from hermes_router.protocol.framing import MAX_FRAME_BYTES
from hermes_router.relay.attachments import Spool
from hermes_router.relay.prompts import Ask
from hermes_router.turns.dispatcher import Dispatcher
from hermes_router.turns.worker.event_sender import InboundMessage
from hermes_router.workers import flow_control, pool
from hermes_router.workers.launchers import LaunchSpec, local
from hermes_router.workers.memory.memory_usage import footprint
from tests.kit.workers.made_up import ANSWER, HOST, PRELUDE, QUICK, Scene, command
from tests.tools.bench.summary import median

CALLS = 1_000
TURNS = 8
ROUNDS = 3
MANY_TURNS = 1_000
_AT_ONCE = 4
FILE_BYTES = 20_000_000

EDIT_INTERVAL = 0.8
"""Seconds that Hermes's stream leaves between two edits of a message."""

_LEAVE = "\nsay(msg.Idle()); say(msg.Draining())"
_CALLS = """
for number in range({calls}):
    say(msg.Call(id=number + 1, method="edit_message", args={{"content": "x" * 400}}))
    while not isinstance(hear(), msg.Result): pass
"""
_FILE = f"""
data = bytes(msg.CHUNK_BYTES)
left = {FILE_BYTES}
while left:
    size = min(left, len(data))
    say(msg.Chunk(stream=1, data=data[:size]))
    left -= size
file = dict(stream=1, name="big.bin", size={FILE_BYTES})
say(msg.Call(id=1, method="send_document", args={{"file_path": {{"$file": file}}}}))
while not isinstance(hear(), msg.Result): pass
"""


@dataclass(frozen=True, slots=True)
class Alone:
    """One line of the table: what was measured, the values of both sides, and the wanted ratio.

    Without a bare side, or with a unit in the target, the target is one for the router's value
    itself.
    """

    number: str
    what: str
    bare: float | None
    router: float
    unit: str
    target: str

    @property
    def ratio(self) -> float | None:
        """How many times as much the router takes."""
        return self.router / self.bare if self.bare else None


def measure(
    calls: int = CALLS, turns: int = TURNS, rounds: int = ROUNDS, many: int = MANY_TURNS
) -> list[Alone]:
    """Measure everything; seconds are medians over the rounds."""
    return [
        _compared("11", "CPU per turn", rounds, _turns(turns, "", turns), "ms", "<= 1.5"),
        _compared(
            "11",
            "CPU per relayed call",
            rounds,
            _turns(1, _CALLS.format(calls=4 * calls), 4 * calls),
            "ms",
            "<= 1.5",
        ),
        _edits(calls, rounds),
        _throughput(rounds),
        _frames_held(),
        _growth(many),
    ]


# -- the two sides -------------------------------------------------------------------------------


class _Place(Scene):
    """Takes files and edits as an adapter would that is done at once."""

    async def execute(self, method: str, args: Mapping[str, Any], spool: Spool, ask: Ask) -> Any:
        if "file_path" in args:
            path = spool.claim(msgspec.convert(args["file_path"]["$file"], msg.FileRef))
            spool.release(path)
        return {"success": True}


def by_router(script: str) -> None:
    """Have the dispatcher serve one message with a worker of this script, to its end."""
    with tempfile.TemporaryDirectory() as folder, _worker(script):
        home = Path(folder) / "profiles" / "career"
        home.mkdir(parents=True)
        anyio.run(_serve, _Place(Profile("career", home)))


def _unpaced(script: str) -> None:
    """Have the dispatcher serve one that calls as often as it can: the CPU counts, not the rest."""
    with mock.patch.object(flow_control, "MOST_PER_SECOND", sys.maxsize):
        by_router(script)


async def _serve(place: Scene) -> None:
    turn = await Dispatcher(HOST).serve(place, InboundMessage({"text": "hi"}, {}), QUICK)
    await turn.ended.wait()
    if turn.failure is not None:
        raise turn.failure


@contextmanager
def _worker(script: str) -> Iterator[None]:
    line = command(script)

    def command_line(_spec: LaunchSpec) -> list[str]:  # a mock would keep each call's arguments
        return line

    with (
        mock.patch.object(local, "command", command_line),
        mock.patch.object(pool, "launcher", return_value=local.launch),
    ):
        yield


def bare(script: str) -> None:
    """Spawn the script and exchange the same messages with it."""
    asyncio.run(_exchange(script))


async def _exchange(script: str) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", script), stdin=PIPE, stdout=PIPE, limit=MAX_FRAME_BYTES
    )
    out, back = child.stdin, child.stdout
    if out is None or back is None:
        raise RuntimeError("no pipes")
    with tempfile.TemporaryFile() as file, contextlib.suppress(asyncio.IncompleteReadError):
        while True:
            size = int.from_bytes(await back.readexactly(4), "big")
            message = msg.decode_from_worker(await back.readexactly(size))
            if isinstance(message, msg.Ready):
                await _say(out, msg.Event(id=1, fields={"text": "hi"}, source={}, files=[]))
            elif isinstance(message, msg.Chunk):
                file.write(message.data)
            elif isinstance(message, msg.Call):
                await _say(out, msg.Result(call=message.id, value={"success": True}))
    await child.wait()


async def _say(out: asyncio.StreamWriter, message: msg.Message) -> None:
    data = msg.encode(message)
    out.write(len(data).to_bytes(4, "big") + data)
    await out.drain()


# -- figures -------------------------------------------------------------------------------------

_Side = Callable[[str], None]


def _turns(times: int, body: str, units: int) -> Callable[[_Side], float]:
    """Return what measures the CPU that a unit of a turn's body costs, beyond an empty turn."""
    empty, full = PRELUDE + ANSWER + _LEAVE, PRELUDE + ANSWER + body + _LEAVE

    def of(side: _Side) -> float:
        spent = _cpu(functools.partial(_repeat, side, full, times))
        if body:
            spent -= _cpu(functools.partial(_repeat, side, empty, times))
        return max(0.0, spent) / units

    return of


def _repeat(side: _Side, script: str, times: int) -> None:
    for _number in range(times):
        side(script)


def _compared(
    number: str, what: str, rounds: int, of: Callable[[_Side], float], unit: str, target: str
) -> Alone:
    pairs = [(of(bare), of(_unpaced)) for _round in range(rounds)]
    ones, others = zip(*pairs, strict=True)
    return Alone(number, what, median(ones) * 1000, median(others) * 1000, unit, target)


def _edits(calls: int, rounds: int) -> Alone:
    """Measure what crossing the pipe adds to each edit of a streamed answer."""
    script = PRELUDE + ANSWER + _CALLS.format(calls=calls) + _LEAVE
    empty = PRELUDE + ANSWER + _LEAVE
    added = [
        (_wall(functools.partial(by_router, script)) - _wall(functools.partial(by_router, empty)))
        / calls
        for _round in range(rounds)
    ]
    share = median(added) / EDIT_INTERVAL * 100
    return Alone("12", "time added to an edit, of the interval", None, share, "%", "<= 5")


def _throughput(rounds: int) -> Alone:
    """Measure how fast a file of 20 MB gets through, the start of the processes taken off."""
    script, empty = PRELUDE + ANSWER + _FILE + _LEAVE, PRELUDE + ANSWER + _LEAVE

    def rate(side: _Side) -> float:
        took = _wall(functools.partial(side, script)) - _wall(functools.partial(side, empty))
        return FILE_BYTES / max(took, 1e-3) / 1e6

    pairs = [(rate(bare), rate(by_router)) for _round in range(rounds)]
    ones, others = zip(*pairs, strict=True)
    return Alone("12", "a 20 MB document out", median(ones), median(others), "MB/s", ">= 0.3")


def _frames_held() -> Alone:
    """Measure how much of a file is in the gateway's memory while a piece of it is written."""
    by_router(PRELUDE + ANSWER + _FILE + _LEAVE)  # what is made once is there
    held: list[int] = []
    append = Spool.append

    def noting(spool: Spool, chunk: msg.Chunk) -> None:
        held.append(tracemalloc.get_traced_memory()[0])
        append(spool, chunk)

    tracemalloc.start()
    try:
        by_router(PRELUDE + ANSWER + _LEAVE)
        before = tracemalloc.get_traced_memory()[0]
        with mock.patch.object(Spool, "append", noting):
            by_router(PRELUDE + ANSWER + _FILE + _LEAVE)
    finally:
        tracemalloc.stop()
    most = (max(held) - before) / msg.CHUNK_BYTES
    return Alone("12", "frames held in the gateway", None, most, "", "<= 2")


def _growth(turns: int) -> Alone:
    """Measure what so many turns leave in the gateway's memory, after a tenth of them."""
    script = PRELUDE + ANSWER + _LEAVE
    with tempfile.TemporaryDirectory() as folder, _worker(script):
        places = []
        for number in range(_AT_ONCE):
            home = Path(folder) / "profiles" / f"career{number}"
            home.mkdir(parents=True)
            places.append(
                _Place(Profile("career", home), key=f"agent:main:telegram:group:1:{number}")
            )
        grown = anyio.run(_serve_many, places, turns)
    return Alone("9", f"the gateway after {turns} turns, more", None, grown / 2**20, "MiB", "<= 2")


async def _serve_many(places: list[_Place], turns: int) -> int:
    dispatcher = Dispatcher(HOST)

    async def serve(place: _Place, times: int) -> None:
        for _number in range(times):
            turn = await dispatcher.serve(place, InboundMessage({"text": "hi"}, {}), QUICK)
            await turn.ended.wait()

    before = 0
    for share in (turns // 10, turns - turns // 10):
        before = _in_use()
        async with anyio.create_task_group() as tasks:
            for place in places:
                tasks.start_soon(serve, place, max(1, share // len(places)))
    return _in_use() - before


def _in_use() -> int:
    gc.collect()
    return footprint([], [os.getpid()])


def _cpu(work: Callable[[], None]) -> float:
    before = _used()
    work()
    return _used() - before


def _used() -> float:
    """Return the CPU seconds of this process and of all its children that have ended."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(who)[:2]) for who in whose)


def _wall(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
