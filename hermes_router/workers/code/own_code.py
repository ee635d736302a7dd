"""The code that this process starts its workers from, and the command that starts it.

The command line imports this module in each call, so this module imports little. `running_code.py`
copies the code and checks its files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hermes_router.profiles.commands import RESTART
from hermes_router.protocol.system.start import installed


@dataclass(frozen=True, slots=True)
class HermesLauncher:
    """Hermes's own launcher, which starts Python code inside Hermes's installation.

    An installation by Hermes's package manager has one; ``find_launcher`` makes this object.

    Attributes:
        command: the beginning of the command line; a module and its arguments follow.
        folders: the folders that a sandbox must show.
        places: where a sandbox needs a writable empty folder.
        files: the files that a sandbox must show, with the given contents.
        environment: the dependencies and plugins that the gateway runs.
        selected: returns the environment that a new process would run; None if that is unknown.
    """

    command: tuple[str, ...]
    folders: tuple[Path, ...] = ()
    places: tuple[Path, ...] = ()
    files: Mapping[Path, bytes] = field(default_factory=dict)
    environment: Path | None = None
    selected: Callable[[], Path | None] = lambda: None

    def renewed(self) -> bool:
        """Return True if a new process would run other dependencies or plugins than the gateway.

        This is so after an update. Unknown counts as False.
        """
        return self.selected() not in {self.environment, None}


#: A function that returns the launcher for a piece of code; None if Hermes has no launcher.
FindLauncher = Callable[[str], HermesLauncher | None]


class Code(Protocol):
    """The code that one gateway runs and starts its workers from; ``RunningCode`` implements it.

    Attributes:
        copy: the folder with the copy of the router's packages; None if there is none.
        launcher: Hermes's own launcher; None if this installation has none.
        outdated: True if the last check found that Hermes was updated on disk.
        restart: the command that restarts the gateway, for people.
    """

    copy: Path | None
    launcher: HermesLauncher | None
    outdated: bool
    restart: str

    def command(self, module: str) -> list[str]:
        """Return the command that runs a module of the router, named with dots, from this code."""

    def hermes_changed(self) -> bool:
        """Return True if Hermes on disk differs from the Hermes that the gateway has loaded."""

    def on_disk(self) -> list[str]:
        """Return a line for people for each thing that was updated on disk since the start.

        The things are the router, Hermes's environment of dependencies and plugins, and Hermes
        itself. The list is empty if nothing was updated.
        """


_in_use: list[Code] = []


def use(code: Code | None) -> None:
    """Start all workers of this process from ``code``; with None, from the installed packages.

    The gateway calls this once, at its start; ``test-route --say`` calls it for its one turn.
    """
    _in_use[:] = [code] if code is not None else []


def in_use() -> Code | None:
    """Return the code that workers are started from; None for the installed packages."""
    return _in_use[0] if _in_use else None


def command(module: str) -> list[str]:
    """Return the command that runs a module of the router, from the code that :func:`use` set.

    Launchers begin the command line of a worker with it.
    """
    code = in_use()
    return installed(module) if code is None else code.command(module)


def restart() -> str:
    """Return the command, for people, that restarts the gateway whose code is in use."""
    code = in_use()
    return RESTART if code is None else code.restart


def selected() -> Path | None:
    """Return the environment of dependencies that a new worker would run; None if unknown.

    The pool asks this, because a prepared worker with another environment must not be used.
    """
    code = in_use()
    return code.launcher.selected() if code is not None and code.launcher is not None else None


def outdated() -> bool:
    """Return True if Hermes was updated on disk, as the last check found; this reads no files.

    No job is started then, until the gateway is restarted.
    """
    code = in_use()
    return code is not None and code.outdated
