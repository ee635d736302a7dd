"""What many routed profiles cost while nobody writes: memory and CPU."""

from __future__ import annotations

import time

from tests.tools.bench import processes, sides
from tests.tools.bench.figures.figure import Figure, Row, Samples
from tests.tools.bench.stage import Stage

ACTIVE = 3
"""Profiles that are written to before it gets quiet."""
SECONDS = 60.0
"""What Hermes does every minute is done once in it, what the router does every 30 s twice."""


def measure(stage: Stage, _turns: int) -> Samples:
    """Write to some profiles, then look at what the idle process tree uses."""
    active = range(min(ACTIVE, stage.setup.profiles))
    stage.acquaint([sides.topic(profile, 0) for profile in active])
    stage.settle(2.0)
    pids = processes.tree(stage.gateway.pid)
    memory = processes.memory(pids)
    before, begun = stage.cpu(), time.monotonic()
    time.sleep(SECONDS)
    used = (stage.cpu() - before) / (time.monotonic() - begun)
    return {"memory": [memory.pss] if memory is not None else [], "cpu": [used * 100]}


def _figure(setup: sides.Setup) -> Figure:
    many = f"{setup.profiles} profile{'s' if setup.profiles > 1 else ''}, idle"
    return Figure(
        "10",
        many,
        setup,
        measure,
        (
            Row("memory of the process tree, PSS", "memory", unit="MiB", compared=False),
            Row(
                "CPU of a core",
                "cpu",
                unit="%",
                compared=False,
                target="(b) <= (a) + 0.2 %",
            ),
        ),
        once=True,
        first_start_only=True,
        seconds=SECONDS + 10.0,
    )


FIGURES = tuple(_figure(setup) for setup in sides.IDLE)
