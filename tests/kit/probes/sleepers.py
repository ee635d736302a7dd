"""A tool that leaves processes behind, and finding them whoever their parent is."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

from tests.kit.model.types import Reply, ToolCall

SLEEPER = f"sleep 3{os.getpid():08}"  # another run of these tests has its own


def sleeping_tool(folder: Path) -> Reply:
    """A tool call that leaves two processes, one of them in a session of its own.

    Its script is put into a folder that the profile can read.
    """
    script = folder / "sleep-on.sh"
    script.write_text(f"setsid {SLEEPER} &\n{SLEEPER}\n")
    return Reply(tool_calls=(ToolCall("terminal", {"command": f"bash {script}"}),))


def sleepers() -> list[psutil.Process]:
    """Return those of its processes that run."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[:2] == SLEEPER.split()
    ]
