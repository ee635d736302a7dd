"""A tool that leaves processes behind, and finding them whoever their parent is."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from tests.kit.model.types import Reply, ToolCall

SLEEPER = f"sleep 3{os.getpid():08}"  # another run of these tests has its own


def sleeping_tool(folder: Path) -> Reply:
    """Return a model's reply that calls the terminal and leaves two sleeping processes.

    One of them has a session of its own. The script that starts them is written into ``folder``,
    which the profile must be able to read.
    """
    script = folder / "sleep-on.sh"
    script.write_text(f"setsid {SLEEPER} &\n{SLEEPER}\n")
    return Reply(tool_calls=(ToolCall("terminal", {"command": f"bash {script}"}),))


def sleepers() -> list[psutil.Process]:
    """Return the processes of :func:`sleeping_tool` that still run, whoever their parent is."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[:2] == SLEEPER.split()
    ]
