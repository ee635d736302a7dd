"""The exit statuses by which a supervisor tells the gateway for which limit it ended a worker.

The gateway gets the exit status of a worker however it was started. A worker could exit with such a
status by itself, but that only causes a wrong notice in its own conversation.
"""

from __future__ import annotations

#: The limits that a supervisor checks, each with its exit status.
EXITS = {"memory_bytes": 201, "cpu_seconds": 202, "processes": 203, "output_bytes": 204}

#: The limit that the kernel enforces for each process: an operation fails, but no process is ended.
OPEN_FILES = "open_files"

#: All limits that a worker's supervisor is told, by the names of the settings in ``limits``.
NAMES = (*EXITS, OPEN_FILES)


def limit_of(returncode: int | None) -> str | None:
    """Return the name of the limit for which a supervisor ended its worker, such as ``processes``.

    None means that its return code is that of no limit.
    """
    return next((name for name, status in EXITS.items() if status == returncode), None)
