"""How long other profiles wait while one profile's tool keeps the interpreter to itself."""

from __future__ import annotations

import functools
import json
import time
from concurrent.futures import ThreadPoolExecutor

from tests.kit import FORUM
from tests.tools.bench import sides
from tests.tools.bench.figures.figure import Figure, Row, Samples
from tests.tools.bench.stage import TURN_SECONDS, Stage
from tests.tools.bench.summary import p95

SECONDS = 4.0
_BEGIN_SECONDS = 60.0

_SPIN = f"""
import threading, time
end = time.monotonic() + {SECONDS}
def spin():
    while time.monotonic() < end:
        pass
threads = [threading.Thread(target=spin) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
_HOLD = f"import ctypes; ctypes.PyDLL(None).usleep({int(SECONDS * 1e6)})"


def measure(stage: Stage, _turns: int, *, code: str) -> Samples:
    """Have the first profile's tool run the code, and the others speak meanwhile."""
    busy, *others = [sides.topic(number, 0) for number in range(stage.setup.profiles)]
    stage.acquaint([busy, *others])
    begun = stage.root.base / f"begun-{time.monotonic_ns()}"
    arguments = json.dumps({"code": f"open({str(begun)!r}, 'w').close()\n{code}"})
    calls = stage.telegram.seq
    stage.telegram.say(f"[[tool {sides.TOOL} {arguments}]]", chat_id=FORUM, thread_id=busy)
    deadline = time.monotonic() + _BEGIN_SECONDS
    while not begun.exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the tool did not begin")
        time.sleep(0.005)
    until = time.monotonic() + SECONDS
    with ThreadPoolExecutor(len(others)) as pool:
        waits = list(pool.map(functools.partial(_speak, stage, until), others))
    stage.telegram.wait_for(lambda call: "tool said" in call.text, TURN_SECONDS, calls)
    stage.settle()
    return {"wait": [seconds for each in waits for seconds in each]}


def _speak(stage: Stage, until: float, topic: int) -> list[float]:
    """Speak again and again; return how long each answer took from the message on."""
    taken: list[float] = []
    while not taken or time.monotonic() < until:
        begun = time.monotonic()
        stage.turn(topic)
        taken.append(time.monotonic() - begun)
    return taken


def _figure(title: str, code: str) -> Figure:
    return Figure(
        "6",
        title,
        sides.NEIGHBOURS,
        functools.partial(measure, code=code),
        (Row("other profiles' answers, p95", "wait", summarise=p95, target="<= 0.3"),),
        seconds=9.0,
    )


SPIN = _figure("a tool spins the CPU for 4 s", _SPIN)
HOLD = _figure("a tool holds the interpreter for 4 s", _HOLD)
