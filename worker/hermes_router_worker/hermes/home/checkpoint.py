"""Hermes's record of background processes: each start and end writes the one file as a whole."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hermes_router_worker.hermes import replacements
from hermes_router_worker.hermes.patching import require


class Checkpoint:
    """Hermes's file of this process's background processes ("checkpoint"), and how to move it.

    Raises:
        MissingPoint: this Hermes lacks a member that is needed.
    """

    def __init__(self) -> None:
        self._module = importlib.import_module("tools.process_registry")
        require(self._module, "CHECKPOINT_PATH")
        self._registry = require(self._module, "process_registry")
        for name in ("recover_from_checkpoint", "_running"):
            require(self._registry, name)
        self._write = require(self._registry, "_write_checkpoint")

    def keep_in(self, file: Path) -> None:
        """Have Hermes keep the records of background processes in ``file``, not in its own file."""
        self._module.CHECKPOINT_PATH = file  # type: ignore[attr-defined]

    def write_by(self, writer: Callable[..., None]) -> None:
        """Have Hermes call ``writer`` where it would write the file of processes itself.

        ``writer`` gets the arguments of Hermes's own function, and may call :meth:`write`.
        """
        replacements.WRITE_CHECKPOINT.replace(lambda _: writer, on=self._registry)

    def write(self, *extra_entries: list[dict[str, Any]]) -> None:
        """Write the file as Hermes does: the running processes, and ``extra_entries``."""
        self._write(*extra_entries)

    def any_running(self) -> bool:
        """Return True if a background process of this worker runs, so the file is needed."""
        return bool(self._registry._running)

    def recover(self) -> int:
        """Have Hermes take over the processes in the file that still run; return how many."""
        return int(self._registry.recover_from_checkpoint())


def writer() -> Any:
    """Return the function that Hermes calls now to write the file of background processes.

    It is Hermes's own, or what :meth:`Checkpoint.write_by` has put there.
    """
    return importlib.import_module("tools.process_registry").process_registry._write_checkpoint
