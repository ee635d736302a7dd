"""The commands that start gateways of their own end them when they are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.kit.roots import ordinary_user

ROOT = Path(__file__).resolve().parents[3]
OBSTACLE = ordinary_user.obstacle()
_SECONDS = 200.0


def below(folder: Path) -> list[psutil.Process]:
    """Return the processes that have their homes in a folder: the gateways and theirs."""
    return [process for process in psutil.process_iter() if str(folder) in _environment(process)]


def _environment(process: psutil.Process) -> str:
    try:
        environ = process.environ()
    except psutil.Error:
        return ""
    return " ".join(environ.get(name, "") for name in ("HERMES_HOME", "HOME"))


def wait(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.mark.timeout(600)
@pytest.mark.skipif(OBSTACLE is not None, reason=f"NOT SHOWN: {OBSTACLE}")
@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        (["tests.tools.leaks", "--only", "E1", "--sides", "local"], signal.SIGTERM),
        (["tests.tools.parity", "--only", "stop"], signal.SIGINT),
        (["tests.tools.bench", "--quick"], signal.SIGTERM),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value.name,
)
def test_a_signal_ends_the_gateways_too(
    tmp_path: Path, arguments: list[str], number: signal.Signals
) -> None:
    command = [sys.executable, "-m", *arguments]
    tmp_path.chmod(0o755)
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait(lambda: below(tmp_path) or process.poll() is not None, "no gateway was started")
        assert process.poll() is None
        process.send_signal(number)
        _out, told = process.communicate(timeout=_SECONDS)
    finally:
        process.kill()
        left = below(tmp_path)
        for other in left:
            other.kill()
    assert process.returncode == 128 + number
    assert f"ended by {number.name}" in told
    assert left == []
    assert list(tmp_path.iterdir()) == []
