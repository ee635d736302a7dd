"""The kernel's own bounds around a worker, where systemd makes control groups."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from hermes_router.profiles.model import Profile
from hermes_router.workers.launchers import LaunchSpec, local, scope

LIMITS = (("memory_bytes", 1e9), ("cpu_seconds", 0.0), ("processes", 10.0))

# In the place of systemd-run: notes what it is asked for, and becomes the command.
STAND_IN = """#!/bin/sh
printf '%s\\n' "$XDG_RUNTIME_DIR" "$@" > {said}
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
SHOWS = """
import os, sys
bus = os.environ.get("XDG_RUNTIME_DIR")
print(os.getpid(), bus, os.environ["OWN"], sys.stdin.read(), flush=True)
"""


def spec_of(tmp_path: Path, **changes: object) -> LaunchSpec:
    fields: dict[str, object] = {
        "profile": Profile("career", tmp_path),
        "worker_id": "abc",
        "environment": {"PATH": os.environ["PATH"], "OWN": "its own"},
        "cwd": tmp_path,
        "log": 2,
        "grace": 1.0,
        "limits": LIMITS,
    }
    return LaunchSpec(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with what systemd-run is asked for, where it would work."""
    program = tmp_path / "systemd-run"
    program.write_text(STAND_IN.format(said=tmp_path / "said"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1")
    monkeypatch.setattr(scope, "check", lambda: None)
    monkeypatch.setattr(scope, "_tried", lambda policy: None if policy else "not asked")
    return tmp_path / "said"


async def test_a_worker_starts_in_a_scope_and_notices_nothing_of_it(
    said: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "command", lambda _spec: [sys.executable, "-c", SHOWS])
    child = await local.launch(spec_of(tmp_path))
    os.write(child.outbound, b"through the pipe")
    os.close(child.outbound)
    assert await child.wait() == 0
    words = os.read(child.inbound, 4096).decode()
    os.close(child.inbound)
    assert words == f"{child.pid} None its own through the pipe\n"
    bus, *arguments = (await anyio.Path(said).read_text()).splitlines()
    assert bus == "/run/user/1"
    assert {"MemoryHigh=1000000000", "MemoryMax=1500000000", "TasksMax=160"} <= set(arguments)
    assert "--unit=hermes-router-career-abc.scope" in arguments
    assert ("--user" in arguments) is (os.geteuid() != 0)


def test_what_starts_several_workers_gets_the_sum(said: Path, tmp_path: Path) -> None:
    del said
    spec = spec_of(tmp_path, together=5)
    command, _environment = scope.within(spec, ["x"], spec.environment, shared=True)
    assert {"MemoryHigh=5000000000", "TasksMax=800"} <= set(command)
    assert command[-1] == "x"


def test_without_limits_there_is_no_scope(said: Path, tmp_path: Path) -> None:
    del said
    spec = spec_of(tmp_path, limits=())
    assert scope.within(spec, ["x"], spec.environment, shared=True)[0] == ["x"]


def test_a_machine_without_control_groups_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    scope._tried.forget()
    try:
        assert scope.check() in {
            "there is no systemd-run in PATH",
            "this machine has no unified control groups (cgroup v2)",
            "control groups need Linux",
        }
    finally:
        scope._tried.forget()


async def test_the_kernel_keeps_the_bounds_of_a_real_scope(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = scope.check()
    if reason is not None:
        pytest.skip(f"NOT SHOWN: {reason}")
    shows = "cat /sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/memory.max"
    monkeypatch.setattr(local, "command", lambda _spec: ["/bin/sh", "-c", shows])
    child = await local.launch(spec_of(tmp_path))
    os.close(child.outbound)
    assert await child.wait() == 0
    answer = os.read(child.inbound, 100)
    os.close(child.inbound)
    assert abs(int(answer) - 1_500_000_000) < 4096


@pytest.mark.parametrize("mended", [False, True])
def test_limits_of_control_groups_come_back_after_a_trial_that_failed_by_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, *, mended: bool
) -> None:
    """A machine without a free process for the moment must not go without them for good."""
    machine = [BlockingIOError("no process")]

    def run(*_command: object, **_more: object) -> subprocess.CompletedProcess[str]:
        if machine:
            raise machine[0]
        shown = " ".join(map(str, scope._PROBE.values()))
        return subprocess.CompletedProcess([], 0, shown, "")

    now = [0.0]
    monkeypatch.setattr(Path, "exists", lambda _path: True)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(scope._tried, "_clock", lambda: now[0])
    scope._tried.forget()
    request.addfinalizer(scope._tried.forget)
    spec = spec_of(tmp_path)
    for seconds, bounded in ((0.0, False), (299.0, False), (300.0, mended)):
        now[0] = seconds
        line, _environment = scope.within(spec, ["x"], spec.environment, shared=False)
        assert (line != ["x"]) is bounded
        if mended:
            machine.clear()
