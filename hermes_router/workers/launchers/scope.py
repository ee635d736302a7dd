"""A control group of the kernel's around what a launcher starts, where systemd makes one.

Each worker's supervisor watches its own tree, from look to look, and names the limit that was
crossed. Where the machine has control groups (v2) and a systemd that answers (the user's, or for
root the system's), ``systemd-run`` starts the process in a scope, so that nothing slips through
between two looks: beyond the limit the kernel makes memory slow to get, half as much above it there
is no more, and threads are bounded too. A template or a sandbox starts several workers in one
scope: its bounds are the sum of theirs.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from hermes_router.protocol.system import proc
from hermes_router.workers.launchers import LaunchSpec

_CHECK_SECONDS = 10.0

#: Threads that a process may have on average: the kernel counts threads, the limit processes.
THREADS = 16

#: How ``systemd-run`` finds its systemd; a worker gets none of them.
_BUS = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")

#: With the first, what the kernel kills does not end the scope; systemd 253 and newer.
_POLICIES = (("-p", "OOMPolicy=continue"), ())

_PROBE = {"MemoryHigh": 1 << 30, "MemoryMax": 1 << 31, "TasksMax": 512}
_FILES = ("memory.high", "memory.max", "pids.max")


@functools.cache
def check() -> str | None:
    """Return why no control group can be had on this machine; None if one can. It is tried."""
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
    """Return command line and environment that start ``command`` in a scope, if one can be had.

    ``shared``: several workers will live in it.
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


@functools.cache
def _tried(policy: tuple[str, ...]) -> str | None:
    """Return why there is no scope with that policy whose limits hold; None if there is."""
    read = "; ".join(
        f'cat "/sys/fs/cgroup$(sed -n s/^0:://p {proc.SELF}/cgroup)/{name}"' for name in _FILES
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
        return f"systemd-run could not be tried: {error}"
    if done.stdout.split() == [str(value) for value in _PROBE.values()]:
        return None
    return f"systemd-run was refused: {done.stderr.strip()[-200:] or done.stdout.strip()[-200:]}"
