"""Programs that play the outside world, each a child process of the test."""

from __future__ import annotations

import subprocess

_SECONDS = 10


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a program to end, and kill it if it has not ended within ten seconds."""
    process.terminate()
    try:
        process.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_SECONDS)
