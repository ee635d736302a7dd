"""The command ``hermes`` as a worker's own processes find it: one that sends through the worker.

A profile has no token, so that its own ``hermes send`` would refuse. What the agent runs in its
terminal, in scripts and in cron finds, first in PATH, a small program that starts the same Hermes
with its send engine led to the worker (:mod:`hermes_router_worker.send.command`). A login shell
makes a PATH of its own; bash takes the command from an exported function then, and the shells that
Hermes's terminal starts from a file that they read.
"""

from __future__ import annotations

import functools
import importlib
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from hermes_router_worker.send import ssh

#: Names the socket of the worker to the processes that it started.
SOCKET_VARIABLE = "HERMES_ROUTER_SEND"

_FUNCTION_VARIABLE = "BASH_FUNC_hermes%%"
_COMMAND = "hermes"
_PATH_FILE = "path.sh"


def lay_out(tmpdir: Path) -> Path:
    """Make the folder of the command and its socket, lead this process's children to it.

    Returns the path where the socket is to be.
    """
    folder = tmpdir / "hermes-router"
    folder.mkdir(mode=0o700, exist_ok=True)
    address = folder / "send"
    command = folder / "bin" / _COMMAND
    command.parent.mkdir(mode=0o700, exist_ok=True)
    command.write_text(_script(address))
    command.chmod(0o700)
    ssh.lay_out(command.parent, Path.home())
    _lead_to(command, address)
    _survive_login_shells(command, folder / _PATH_FILE)
    return address


def _script(address: Path) -> str:
    python = shlex.quote(sys.executable)
    return (
        "#!/bin/sh\n"
        f"{SOCKET_VARIABLE}={shlex.quote(str(address))}\n"
        f"export {SOCKET_VARIABLE}\n"
        f'exec {python} -P -m hermes_router_worker.send.command "$@"\n'
    )


def _lead_to(command: Path, address: Path) -> None:
    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.pathsep.join([str(command.parent), path])
    os.environ[SOCKET_VARIABLE] = str(address)
    own = shlex.quote(str(command))
    # A process may outlive the worker, and the folder.
    call = f'if [ -x {own} ]; then {own} "$@"; else command {_COMMAND} "$@"; fi'
    os.environ[_FUNCTION_VARIABLE] = f"() {{ {call}\n}}"


def _survive_login_shells(command: Path, file: Path) -> None:
    """Have Hermes's terminal, which takes its environment from a login shell, put PATH right."""
    folder = shlex.quote(str(command.parent))
    file.write_text(f"PATH={folder}:$PATH\nexport PATH\n")
    local: Any = importlib.import_module("tools.environments.local")
    resolve = getattr(local, "_resolve_shell_init_files", None)
    if resolve is None:  # an older Hermes reads no such files; bash has the function
        return
    original = getattr(resolve, "__wrapped__", resolve)

    @functools.wraps(original)
    def resolve_shell_init_files() -> list[str]:
        return [*original(), str(file)]

    local._resolve_shell_init_files = resolve_shell_init_files
