"""Keep workers on the same code as the gateway when the router or Hermes is updated on disk.

A worker with an updated router would not understand the running gateway. So the gateway copies the
router's packages when it starts, and starts its workers from the copy. Hermes is not copied. If
Hermes changes on disk, no worker is started until the gateway is restarted: a mix of old and new
code could do anything.
"""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
import shutil
import threading
from pathlib import Path

import anyio

import hermes_router
from hermes_router.base.errors import HermesUpdated
from hermes_router.base.tasks import in_thread
from hermes_router.profiles.commands import RESTART
from hermes_router.protocol.system import sources
from hermes_router.protocol.system.pids import is_running, start_time
from hermes_router.protocol.system.sources import Look
from hermes_router.protocol.system.start import START_CODE, START_FILE, installed
from hermes_router.workers.code import own_code
from hermes_router.workers.code.own_code import FindLauncher, in_use

logger = logging.getLogger(__name__)

_ROUTER = (
    "hermes-router was updated: the gateway continues with the version that it was started with"
)
_ROUTER_UNCOPIED = (
    "hermes-router was updated, and could not be copied when the gateway started: routed "
    "conversations may not be answered until the gateway is restarted"
)
_ENVIRONMENT = (
    "Hermes has another environment of dependencies and plugins, maybe with another hermes-router: "
    "the gateway continues with the one that it was started with"
)
_HERMES = "Hermes was updated: no routed conversation is answered until the gateway is restarted"
_LOOK_SECONDS = 20.0

#: The folders of ``hermes_router`` that a worker needs.
_FOR_WORKERS = ("protocol", "__pycache__")

#: The temporary names of byte code that another process writes just now.
_half_written = shutil.ignore_patterns("*.pyc.*")


class RunningCode:
    """The code that one gateway runs, and the copy of it that its workers run.

    Make it when the gateway starts, before any update. ``folder`` is where the copy is made; if
    that fails, the workers run the installed packages. ``restart`` is the command that restarts the
    gateway, for people.
    """

    def __init__(
        self, folder: Path, find: FindLauncher = lambda _code: None, *, restart: str = RESTART
    ) -> None:
        self.copy = _copied(folder)
        self.outdated = False
        own = self.copy or folder
        self.launcher = find(START_CODE.format(folder=repr(str(own)))) if self.copy else None
        self.restart = restart
        self._router = {file: sources.look(file) for file in sources.of_router()}
        self._hermes = _Files(sources.of_hermes())
        self._told: list[str] = []

    @property
    def hermes_content(self) -> str:
        """The digest of what Hermes's files held at the start; "" until :meth:`load` has read them.

        A record of the running gateway has it, to find out later whether it runs another Hermes.
        """
        return self._hermes.content()

    def command(self, module: str) -> list[str]:
        """Return the command that runs a module of the router, named with dots, from the copy.

        Without a copy it is the command for the installed packages.
        """
        if self.launcher is not None:
            return [*self.launcher.command, module]
        if self.copy is not None:
            return [*installed("")[:2], str(self.copy / START_FILE), module]
        return installed(module)

    def hermes_changed(self) -> bool:
        """Return True if Hermes on disk differs from the Hermes that the gateway has loaded."""
        self.outdated = self._hermes.changed()
        return self.outdated

    def on_disk(self) -> list[str]:
        """Return a line for people for each thing that was updated on disk since the start.

        The things are the router, Hermes's environment of dependencies and plugins, and Hermes
        itself. The list is empty if nothing was updated.
        """
        found = {
            _ROUTER if self.copy is not None else _ROUTER_UNCOPIED: any(
                sources.look(file) != seen for file, seen in self._router.items()
            ),
            _ENVIRONMENT: self.launcher is not None and self.launcher.renewed(),
            _HERMES: self.hermes_changed(),
        }
        return [f"{line} ({self.restart})" for line, changed in found.items() if changed]

    async def load(self) -> None:
        """Import all modules of the router, and note the content of Hermes's files.

        The gateway calls this soon after its start: an import after an update would load new code
        into it.
        """
        await in_thread(self._load)

    async def watch(self) -> None:
        """Check every 20 s for updates on disk, and log each once; run until cancelled.

        The gateway runs this as a task, so that its log tells people to restart it.
        """
        while True:
            found = await in_thread(self.on_disk)
            for line in found:
                if line not in self._told:
                    logger.warning("%s", line)
            self._told = found
            await anyio.sleep(_LOOK_SECONDS)

    def _load(self) -> None:
        for module in pkgutil.walk_packages(hermes_router.__path__, "hermes_router."):
            if not module.name.startswith("hermes_router.cli"):
                importlib.import_module(module.name)
        self._hermes.read()

    def remove(self) -> None:
        """Remove the copy of the router's packages; call this when no worker is left."""
        if self.copy is not None:
            shutil.rmtree(self.copy, ignore_errors=True)


class _Files:
    """A list of files as they were at the start, to be compared with the files on disk."""

    def __init__(self, files: list[Path]) -> None:
        self._looks: dict[Path, Look] = {file: sources.look(file) for file in files}
        self._contents: dict[Path, bytes] = {}
        self._lock = threading.Lock()

    def read(self) -> None:
        """Note the content of the files: a file with a new time and old content is unchanged."""
        for file, seen in self._looks.items():
            content = sources.digest(file)
            if sources.look(file) == seen:
                self._contents[file] = content

    def content(self) -> str:
        """Return the digest of all files as they were at the start; empty if one is not known."""
        known = len(self._contents) == len(self._looks)
        return sources.joined(self._contents) if known else ""

    def changed(self) -> bool:
        """Return True if a file is missing or has another content."""
        with self._lock:
            return any(self._differs(file, seen) for file, seen in list(self._looks.items()))

    def _differs(self, file: Path, seen: Look) -> bool:
        now = sources.look(file)
        if now == seen:
            return False
        if now is None or sources.digest(file) != self._contents.get(file):
            return True
        self._looks[file] = now
        return False


def _copied(folder: Path) -> Path | None:
    """Copy the router's packages into ``folder`` and return the copy; None if that fails.

    This also removes the copies that dead gateways left there.
    """
    target = folder / f"{os.getpid()}-{start_time(os.getpid())}"
    try:
        for private in (folder.parent, folder):  # mkdir sets the mode of the last folder only
            private.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.iterdir():
            if _is_left(left.name) or left == target:
                shutil.rmtree(left, ignore_errors=True)
        target.mkdir(mode=0o700)
        for name in sources.OWN_PACKAGES:
            if (package := sources.folder_of(name)) is not None:
                shutil.copytree(package, target / name, ignore=_needless, copy_function=_copy_file)
        for inner, _, _ in os.walk(target):
            Path(inner).chmod(0o700)  # an installation that is read-only: else nobody can remove it
        here = START_CODE.format(folder="__file__.rpartition('/')[0]")
        (target / START_FILE).write_text(f"{here}\n")
    except (OSError, shutil.Error) as error:
        shutil.rmtree(target, ignore_errors=True)
        logger.warning("%s: the router's code could not be copied: %s", folder, error)
        return None
    return target


def _needless(folder: str, names: list[str]) -> set[str]:
    """Return the names in a folder that no worker needs."""
    needless = _half_written(folder, names)
    if folder == hermes_router.__path__[0]:
        packages = (name for name in names if Path(folder, name).is_dir())
        needless |= {name for name in packages if name not in _FOR_WORKERS}
    return needless


def _copy_file(source: str, target: str) -> None:
    """Copy a file with its time, by which Python checks byte code; skip unreadable byte code."""
    try:
        shutil.copy2(source, target)
    except PermissionError:
        if not source.endswith(".pyc"):
            raise


def _is_left(name: str) -> bool:
    pid, _, started = name.partition("-")
    if not pid.isdigit():
        return False
    return not is_running(int(pid)) or started != str(start_time(int(pid)))


async def check(profile: str = "") -> None:
    """Raise an error if Hermes was updated on disk since the gateway loaded it.

    The pool calls this before a worker is started, a turn after its worker was lost. ``profile`` is
    only for the error's text.

    Raises:
        HermesUpdated: Hermes on disk differs from the Hermes that this gateway runs.
    """
    code = in_use()
    if code is not None and await in_thread(code.hermes_changed):
        raise HermesUpdated(
            "Hermes was updated under the running gateway", profile=profile, hint=own_code.restart()
        )
