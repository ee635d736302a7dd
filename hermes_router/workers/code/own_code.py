"""Hold the code that this process starts its workers from, and build the command that starts it.

The command line imports this module in each call, so this module imports little.
`running_code.py` copies the code and checks its files.
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

    ``command`` is the beginning of the command line; a module and its arguments follow. A sandbox
    shows the ``folders``, has a writable empty folder at each of ``places``, and shows ``files``
    with the given contents. ``environment`` has the dependencies and plugins that the gateway
    runs. ``selected`` returns the one that a new process would run; None if that is unknown.
    """

    command: tuple[str, ...]
    folders: tuple[Path, ...] = ()
    places: tuple[Path, ...] = ()
    files: Mapping[Path, bytes] = field(default_factory=dict)
    environment: Path | None = None
    selected: Callable[[], Path | None] = lambda: None

    def renewed(self) -> bool:
        """Return True if the installation has other dependencies or plugins than the gateway."""
        return self.selected() not in {self.environment, None}


#: A function that returns the launcher for a piece of code; None if Hermes has no launcher.
FindLauncher = Callable[[str], HermesLauncher | None]


class Code(Protocol):
    """The code that one gateway runs, as `running_code.py` makes it."""

    copy: Path | None
    launcher: HermesLauncher | None
    outdated: bool
    restart: str

    def command(self, module: str) -> list[str]:
        """Return the command that runs a module of the router, named with dots, from this code."""

    def hermes_changed(self) -> bool:
        """Return True if Hermes on disk differs from the Hermes that the gateway has loaded."""

    def on_disk(self) -> list[str]:
        """Return a line for people for each of what was updated on disk since the gateway's start.

        That is the router, Hermes's environment of dependencies and plugins, and Hermes itself.
        """


_in_use: list[Code] = []


def use(code: Code | None) -> None:
    """Start all workers of this process from ``code``; with None, from the installed packages."""
    _in_use[:] = [code] if code is not None else []


def in_use() -> Code | None:
    """Return the code that workers are started from; None for the installed packages."""
    return _in_use[0] if _in_use else None


def command(module: str) -> list[str]:
    """Return the command that runs a module of the router, from the code that :func:`use` set."""
    code = in_use()
    return installed(module) if code is None else code.command(module)


def restart() -> str:
    """Return the command that restarts the gateway which runs the code that is in use."""
    code = in_use()
    return RESTART if code is None else code.restart


def selected() -> Path | None:
    """Return the environment of dependencies that a new worker would run; None if unknown."""
    code = in_use()
    return code.launcher.selected() if code is not None and code.launcher is not None else None


def outdated() -> bool:
    """Return True if Hermes was updated on disk, as the last check found; this reads no files."""
    code = in_use()
    return code is not None and code.outdated
