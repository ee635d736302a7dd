"""What is kept in memory for a profile that is idle, and for one ready worker of it."""

from __future__ import annotations

from tests.bench import processes, sides
from tests.bench.figures.figure import Figure, Row, Samples
from tests.bench.stage import Stage

_WORKER = "hermes_router_worker"


def measure(stage: Stage, _turns: int) -> Samples:
    """Look at the processes. Without root the kernel may refuse: then there are no values."""
    stage.settle()
    pids = processes.tree(stage.gateway.pid)
    kept = [pid for pid in pids if _WORKER in processes.command_line(pid)]
    # The template's tree hangs below its supervisor: the leaves of it are the ready workers.
    leaves = [pid for pid in kept if len(processes.tree(pid)) == 1]
    found = {
        "gateway": processes.memory([stage.gateway.pid]),
        "kept": processes.memory(kept) if kept else None,
        "leaves": processes.memory(leaves) if leaves else None,
    }
    samples: Samples = {"gateway": [], "kept": [], "worker": []}
    if found["gateway"] is not None:
        samples["gateway"] = [found["gateway"].pss]
    if found["kept"] is not None:
        samples["kept"] = [found["kept"].pss]
    if found["leaves"] is not None:
        samples["worker"] = [found["leaves"].private / len(leaves)]
    return samples


FIGURE = Figure(
    "9",
    "memory, idle",
    sides.SHIPPED,
    measure,
    (
        Row("gateway process, PSS", "gateway", unit="MiB"),
        Row(
            "kept ready for one profile, PSS",
            "kept",
            unit="MiB",
            compared=False,
            target="<= 143.1 (150 MB)",
        ),
        Row(
            "each ready worker, private",
            "worker",
            unit="MiB",
            compared=False,
            target="<= 71.5 (75 MB)",
        ),
    ),
    once=True,
)
