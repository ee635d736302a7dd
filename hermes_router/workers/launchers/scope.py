"""Put the processes of a launcher into a control group (a systemd scope), if the machine can.

Each worker's supervisor checks its process tree from time to time, and names the limit that was
exceeded. A control group also holds between two checks. It needs control groups v2 and a systemd
that answers: the user's, or the system's for root. Then ``systemd-run`` starts the process in a
scope. Above the memory limit the kernel slows the processes down; they never get more than 1.5
times the limit. The number of threads is limited too. A template or a sandbox starts several
workers in one scope, whose limits are the sum of theirs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hermes_router.base.trials import Trial
from hermes_router.workers.launchers import LaunchSpec

_CHECK_SECONDS = 10.0

#: Seconds for which a failed trial is believed; where systemd hangs, a trial delays a start.
_FAILED_SECONDS = 300.0

#: Threads per process, on average. The kernel limits threads, but our setting limits processes.
THREADS = 16

#: The variables by which ``systemd-run`` finds systemd; a worker does not get them.
_BUS = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")

#: With the first (systemd 253 and newer), a process that the kernel kills does not end the scope.
_POLICIES = (("-p", "OOMPolicy=continue"), ())

_PROBE = {"MemoryHigh": 1 << 30, "MemoryMax": 1 << 31, "TasksMax": 512}
_FILES = ("memory.high", "memory.max", "pids.max")


def check() -> str | None:
    """Return why this machine cannot make control groups for workers, or None if it can.

    The first call makes one as a trial, which blocks for 20 s at most. That it worked is kept for
    later calls, and a failure for five minutes: until then workers run without a control group.
    """
    if not sys.platform.startswith("linux"):
        return "control groups need Linux"
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        return "this machine has no unified control groups (cgroup v2)"
    if shutil.which("systemd-run") is None:
        return "there is no systemd-run in PATH"
    reasons = [reason for policy in _POLICIES if (reason := _tried(policy))]
    return reasons[-1] if len(reasons) == len(_POLICIES) else None


def within(
    spec: LaunchSpec, command: list[str], environment: Mapping[str, str], *, shared: bool
) -> tuple[list[str], dict[str, str]]:
    """Return the command line and environment that start ``command`` in a control group.

    Launchers call this before each start. If this machine cannot make control groups, both are
    returned unchanged. With ``shared`` several workers will run in the group, so its limits are
    multiplied.
    """
    properties = _properties(spec, spec.together if shared else 1)
    if not properties or check() is not None:
        return command, dict(environment)
    policy = _POLICIES[0] if _tried(_POLICIES[0]) is None else _POLICIES[1]
    unit = f"hermes-router-{spec.profile.name}-{spec.worker_id}.scope"
    bus = {name: os.environ[name] for name in _BUS if name in os.environ}
    hidden = [part for name in bus if name not in environment for part in ("-u", name)]
    run = [*_run(properties, policy), f"--unit={unit}", "--", "/usr/bin/env", *hidden, *command]
    return run, {**bus, **environment}


def _properties(spec: LaunchSpec, workers: int) -> dict[str, int]:
    limits = dict(spec.limits)
    memory = int(limits.get("memory_bytes", 0)) * workers
    most = {
        "MemoryHigh": memory,
        "MemoryMax": memory * 3 // 2,
        "TasksMax": int(limits.get("processes", 0)) * workers * THREADS,
    }
    return {name: value for name, value in most.items() if value}


def _run(properties: Mapping[str, int], policy: tuple[str, ...]) -> list[str]:
    manager = [] if os.geteuid() == 0 else ["--user"]
    settings = [part for name, value in properties.items() for part in ("-p", f"{name}={value}")]
    program = shutil.which("systemd-run") or "systemd-run"
    return [program, *manager, "--scope", "--quiet", "--collect", *settings, *policy]


def _try(policy: tuple[str, ...]) -> str | None:
    """Start a scope with this policy and read its limits back; return why it failed, or None."""
    read = "; ".join(
        f'cat "/sys/fs/cgroup$(sed -n s/^0:://p /proc/$$/cgroup)/{name}"' for name in _FILES
    )
    try:
        done = subprocess.run(
            [*_run(_PROBE, policy), "--", "/bin/sh", "-c", read],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CHECK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"systemd-run could not be run: {error}"
    if done.stdout.split() == [str(value) for value in _PROBE.values()]:
        return None
    return f"systemd-run was refused: {done.stderr.strip()[-200:] or done.stdout.strip()[-200:]}"


_tried = Trial(_try, seconds=_FAILED_SECONDS)
