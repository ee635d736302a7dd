"""Build the command that starts one of the router's own modules in a new process.

A gateway starts its workers from a copy of the router's packages. If Hermes's package manager keeps
the dependencies, it starts them through Hermes's own launcher. A worker starts our modules in the
same way in which it was started itself.
"""

from __future__ import annotations

import sys

#: This variable marks the processes of a worker; its value is the worker's id.
WORKER_VARIABLE = "HERMES_ROUTER_WORKER"

_WORKER = "hermes_router_worker"

#: The file in a copy that runs a module; the first argument is the module's name.
START_FILE = "start.py"

#: The content of that file. ``{folder}`` is a Python expression for the folder of the copy.
START_CODE = (
    "import runpy, sys; sys.path.insert(0, {folder}); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def installed(module: str) -> list[str]:
    """Return the command that starts the installed version of a module."""
    return [sys.executable, "-P", "-m", module]


def same_way(module: str) -> list[str]:
    """Return the command that starts a module in the same way as this worker was started."""
    words = sys.orig_argv
    ours = (n for n, word in enumerate(words) if word.partition(".")[0] == _WORKER)
    place = next(ours, None)
    return installed(module) if place is None else [*words[:place], module]
