"""The command ``hermes`` for a worker's own processes: it sends through the worker.

A profile has no token, so its own ``hermes send`` would refuse to send. The agent runs programs in
its terminal, in scripts and in cron. There, ``hermes`` is a small program, first in PATH, that
starts the same Hermes with its send engine connected to the worker
(:mod:`hermes_router_worker.send.command`). A login shell makes a PATH of its own. Then bash takes
the command from an exported function, and the shells of Hermes's terminal take it from a file that
they read.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from hermes_router.protocol.system import start
from hermes_router_worker.hermes.sending import shell
from hermes_router_worker.process.scratch import SANDBOX_VARIABLE
from hermes_router_worker.send import ssh

#: The environment variable with the path of the worker's socket, for processes that it started.
SOCKET_VARIABLE = "HERMES_ROUTER_SEND"

_FUNCTION_VARIABLE = "BASH_FUNC_hermes%%"
_COMMAND = "hermes"
_PATH_FILE = "path.sh"


def lay_out(tmpdir: Path) -> Path:
    """Write the programs ``hermes`` and ``ssh`` for this process's children, first in their PATH.

    The send server calls it at its start. The programs are in a folder in ``tmpdir``. Returns the
    path at which the worker must open its socket.

    Raises:
        OSError: the folder or a program cannot be written.
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
    command = shlex.join(start.same_way("hermes_router_worker.send.command"))
    variables = {SOCKET_VARIABLE: str(address)}
    if SANDBOX_VARIABLE in os.environ:
        variables[SANDBOX_VARIABLE] = os.environ[SANDBOX_VARIABLE]
    set_them = "".join(
        f"{name}={shlex.quote(value)}\nexport {name}\n" for name, value in variables.items()
    )
    return f'#!/bin/sh\n{set_them}exec {command} "$@"\n'


def _lead_to(command: Path, address: Path) -> None:
    path = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = os.pathsep.join([str(command.parent), path])
    os.environ[SOCKET_VARIABLE] = str(address)
    own = shlex.quote(str(command))
    # A process may live longer than the worker and its folder.
    call = f'if [ -x {own} ]; then {own} "$@"; else command {_COMMAND} "$@"; fi'
    os.environ[_FUNCTION_VARIABLE] = f"() {{ {call}\n}}"


def _survive_login_shells(command: Path, file: Path) -> None:
    """Have Hermes's terminal correct PATH, because it takes its environment from a login shell."""
    folder = shlex.quote(str(command.parent))
    file.write_text(f"PATH={folder}:$PATH\nexport PATH\n")
    shell.read_at_start(str(file))
