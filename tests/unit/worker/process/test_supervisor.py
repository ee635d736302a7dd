"""The supervisor looks closely at a worker that works, and rarely at one that waits."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from hermes_router.protocol.limits import EXITS

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="NOT SHOWN: only Linux has /proc")

_SUPERVISED = (
    "import os, subprocess, sys\n"
    "from hermes_router_worker.process.supervisor import supervise, tell_work_begins\n"
    "supervise(10, {'processes': 3}, waits=True)\n"
    "os.write(1, b'waits\\n')\n"
    "sys.stdin.readline()\n"
)
_TOO_MANY = "for _ in range(5): subprocess.Popen(['sleep', '60'])\nsys.stdin.read()\n"


def _begin(work: str, **environment: str) -> subprocess.Popen[str]:
    """Start a worker that waits, and return when it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SUPERVISED + work],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    return process


def _say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("work\n")
    process.stdin.flush()


def test_a_worker_that_has_work_keeps_the_limits() -> None:
    with _begin("tell_work_begins()\n" + _TOO_MANY) as process:
        _say(process)
        assert process.wait(60) == EXITS["processes"]


@needs_proc
def test_a_worker_that_has_work_is_looked_at_closely() -> None:
    """One that waits is looked at each 5 s; six such looks would take half a minute."""
    with _begin("tell_work_begins()\nsys.stdin.read()") as process:
        _say(process)
        supervisor = psutil.Process(process.pid)
        before, since = supervisor.num_ctx_switches().voluntary, time.monotonic()
        while supervisor.num_ctx_switches().voluntary - before < 6:
            time.sleep(0.1)
            assert time.monotonic() - since < 20
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


def test_a_worker_that_does_not_say_that_it_works_keeps_the_limits_too() -> None:
    with _begin(_TOO_MANY) as process:
        _say(process)
        assert process.wait(60) == EXITS["processes"]


@needs_proc
def test_a_worker_that_waits_costs_next_to_nothing() -> None:
    """It is woken once in this time, if at all; one that looks closely is woken twelve times."""
    with _begin("") as process:
        supervisor = psutil.Process(process.pid)
        before = supervisor.num_ctx_switches().voluntary
        time.sleep(3.0)
        assert supervisor.num_ctx_switches().voluntary - before <= 2
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


@pytest.mark.parametrize(("name", "kept"), [("hermes-router-1a2b-w-x", False), ("tmp", True)])
def test_a_gateway_that_is_gone_costs_the_workers_own_tmpdir_only(
    tmp_path: Path, name: str, kept: bool
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with _begin("", TMPDIR=str(folder)) as process:
        process.communicate("", timeout=20)
    assert folder.exists() is kept


_TEMPLATE = (
    "import os, sys, time\n"
    "from hermes_router_worker.process.supervisor import supervise\n"
    "gateway, input = os.getppid(), int(sys.argv[1])\n"
    "if os.fork():\n"
    "    sys.stdin.read()  # until it is retired\n"
    "    os._exit(0)\n"
    "os.dup2(input, 0)\n"
    "supervise(20, gateway=gateway)\n"
    "os.write(1, b'begun\\n')\n"
    "sys.stdin.buffer.read()\n"
    "time.sleep(2.5)\n"
    "os.write(1, b'ended\\n')\n"
    "os._exit(0)\n"
)
"""A template that forks one worker, whose input is another descriptor than its own. What the worker
does at its end takes longer than it has when its gateway was killed."""

_GATEWAY = (
    "import os, subprocess, sys\n"
    "ours, theirs = os.pipe()\n"
    "os.set_inheritable(ours, True)\n"
    "template = subprocess.Popen(\n"
    "    [sys.executable, '-c', sys.argv[1], str(ours)], pass_fds=[ours], stdin=subprocess.PIPE\n"
    ")\n"
    "os.close(ours)\n"
    "for line in sys.stdin:\n"
    "    if line == 'retire\\n':\n"
    "        template.stdin.close()\n"
    "        template.wait()\n"
    "        os.write(1, b'retired\\n')\n"
    "    else:\n"
    "        os.close(theirs)\n"
)
"""A gateway with that template, which does as it is told: retire the template, end the input."""


@pytest.mark.parametrize(("killed", "last"), [(False, "ended\n"), (True, "")])
def test_a_worker_whose_template_was_retired_has_its_time_until_its_gateway_ends(
    *, killed: bool, last: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _GATEWAY, _TEMPLATE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as gateway:
        assert gateway.stdin is not None
        assert gateway.stdout is not None
        assert gateway.stdout.readline() == "begun\n"
        gateway.stdin.write("retire\n")
        gateway.stdin.flush()
        assert gateway.stdout.readline() == "retired\n"
        if killed:
            gateway.kill()
        else:
            gateway.stdin.write("end the input\n")
            gateway.stdin.flush()
        assert gateway.stdout.readline() == last
        gateway.stdin.close()
