"""What this machine can do for workers: the launchers, and the limits that it can enforce."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from collections.abc import Iterator

from hermes_router.cli.inspect.findings import Finding, Severity
from hermes_router.config.settings import LAUNCHERS
from hermes_router.protocol.system import proc
from hermes_router.workers import launchers
from hermes_router.workers.launchers import scope
from hermes_router.workers.template import templates_work_here


def look() -> Iterator[Finding]:
    """Yield a finding for each launcher and each limit: whether it works on this machine.

    This starts a sandbox and a control group as a trial, so it may take some seconds.
    """
    for name in LAUNCHERS:
        yield _launcher(name)
    yield _whole_tree()
    yield _strays()
    yield _feature(
        "warm-workers",
        there=templates_work_here(),
        yes="workers can be prepared before messages arrive",
        no="workers cannot be prepared before messages arrive here: each turn starts a worker, "
        "which takes seconds",
    )
    yield _temporary_folder()
    yield from _limits()
    yield _control_groups()


def _control_groups() -> Finding:
    obstacle = scope.check()
    return _feature(
        "limit-control-groups",
        there=obstacle is None,
        yes="control groups (systemd-run) also enforce limits.memory_bytes and limits.processes",
        no=f"control groups cannot enforce limits.memory_bytes and limits.processes: {obstacle}",
    )


def _limits() -> Iterator[Finding]:
    """Report which mechanism enforces each limit."""
    shown = (proc.own() / "status").exists()
    seconds = "four times a second while it works" if shown else "every two seconds"
    looks = (
        f"each worker's supervisor checks {seconds} ({'/proc' if shown else 'ps'}) and "
        "ends the worker"
    )
    rough = (
        ""
        if shown
        else ("; it counts shared memory for each process, and does not count ended processes")
    )
    kernel = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = "without a bound" if kernel == resource.RLIM_INFINITY else f"up to {kernel}"
    for check, what in {
        "limits": "turns at once, waiting messages, file sizes and all timeouts: enforced by "
        "the gateway",
        "limit-memory": f"limits.memory_bytes: {looks}{rough}",
        "limit-cpu": f"limits.cpu_seconds: {looks}; also RLIMIT_CPU, for each process",
        "limit-processes": f"limits.processes: {looks}; threads are not counted",
        "limit-open-files": f"limits.open_files: RLIMIT_NOFILE, for each process, {most}",
        "limit-output": "limits.output_bytes: the supervisor counts printed output, the gateway "
        "counts sent text",
    }.items():
        yield Finding(check=check, severity="ok", what=what)


def _launcher(name: str) -> Finding:
    if name == "local":
        worker = [sys.executable, "-P", "-m", "hermes_router_worker"]
        return Finding(
            check="launcher-local", severity="ok", what=f"local works: {' '.join(worker)}"
        )
    obstacle = launchers.check(name)
    return Finding(
        check=f"launcher-{name}",
        severity="info" if obstacle else "ok",
        what=f"{name} does not work: {obstacle}"
        if obstacle
        else f"{name} works: a trial succeeded",
    )


def _whole_tree() -> Finding:
    linux = sys.platform == "linux"
    return _feature(
        "limit-process-tree",
        there=linux,
        yes="a worker's whole process tree ends with it (subreaper)",
        no="no subreapers on this system: the router cannot end a process that detached itself "
        "from a worker",
    )


def _strays() -> Finding:
    return _feature(
        "limit-strays",
        there=(proc.own() / "environ").exists(),
        yes="the router finds and ends the processes of a killed supervisor (/proc)",
        no="no /proc: the router cannot find the processes of a killed supervisor",
    )


def _temporary_folder() -> Finding:
    folder = tempfile.gettempdir()
    if os.access(folder, os.W_OK | os.X_OK):
        return Finding(
            check="temporary-folder",
            severity="ok",
            what=f"each worker gets a private folder in {folder}",
        )
    return Finding(
        check="temporary-folder",
        severity="error",
        what="the router cannot write the folder for temporary files",
        where=folder,
        mend="start the gateway with TMPDIR set to a folder that its user can write",
    )


def _feature(check: str, *, there: bool, yes: str, no: str) -> Finding:
    severity: Severity = "ok" if there else "info"
    return Finding(check=check, severity=severity, what=yes if there else no)
