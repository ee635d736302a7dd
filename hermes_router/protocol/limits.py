"""How a worker's supervisor tells which limit it ended the worker for: by its exit status.

It is the one thing about a worker that reaches the gateway however it was started. A worker can end
with these statuses by itself; all that it gains is a notice in its own conversation.
"""

from __future__ import annotations

#: Limits that a supervisor watches, each with the exit status that names it.
EXITS = {"memory_bytes": 201, "cpu_seconds": 202, "processes": 203, "output_bytes": 204}

#: The limit that the kernel keeps by itself, for each process: an operation fails, nobody is ended.
OPEN_FILES = "open_files"

#: All limits that a worker's side is told, as names of settings in ``limits``.
NAMES = (*EXITS, OPEN_FILES)


def limit_of(returncode: int | None) -> str | None:
    """Return the limit that a supervisor's return code names, if it names one."""
    return next((name for name, status in EXITS.items() if status == returncode), None)
