"""What is kept in memory for a profile that is idle, and for one ready worker of it."""

from __future__ import annotations

from tests.tools.bench import processes, sides
from tests.tools.bench.figures.figure import Figure, Row, Samples
from tests.tools.bench.stage import Stage

_WORKER = "hermes_router_worker"


def measure(stage: Stage, _turns: int) -> Samples:
    """Look at the processes. Without root the kernel may refuse: then there are no values."""
    stage.settle()
    pids = processes.tree(stage.gateway.pid)
    kept = [pid for pid in pids if _WORKER in processes.command_line(pid)]
    # The gateway's child is the template. A supervisor of its own is between it and each worker.
    template = [pid for pid in kept if len(processes.tree(pid)) == len(kept)]
    workers = [pid for pid in kept if len(processes.tree(pid)) == 1]
    gateway = processes.memory([stage.gateway.pid])
    alone = processes.memory(template or [stage.gateway.pid])
    samples: Samples = {"gateway": [], "alone": [], "kept": [], "worker": []}
    if gateway is not None and alone is not None:
        samples["gateway"] = [gateway.pss]
        samples["alone"] = [alone.anonymous]
    if workers and (together := processes.memory(kept)) and (ready := processes.memory(workers)):
        samples["kept"] = [together.pss]
        samples["worker"] = [ready.private / len(workers)]
    return samples


FIGURE = Figure(
    "9",
    "memory, idle",
    sides.SHIPPED,
    measure,
    (
        Row("gateway process, PSS", "gateway", unit="MiB"),
        Row("template (b), gateway (a), anonymous", "alone", unit="MiB"),
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
