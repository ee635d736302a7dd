"""The Hermes plugin: swaps the gateway's dispatcher as soon as there is a gateway to swap it in.

Plugins are discovered in every Hermes command, mostly before ``gateway.run`` is imported, and
importing it has effects that belong in a gateway only. So the swap waits for that import.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import logging
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from hermes_router.profiles.model import WORKER_VARIABLE

logger = logging.getLogger(__name__)

_GATEWAY_MODULE = "gateway.run"


def register(context: Any) -> None:
    """Install the swap; Hermes calls this once per discovery, and it may call it again.

    In a worker nothing is installed: a worker that routed would start workers.
    """
    if os.environ.get(WORKER_VARIABLE):
        return
    when_imported(_GATEWAY_MODULE, _install)
    add_command = getattr(context, "register_cli_command", None)
    if add_command is not None:
        add_command(
            name="router",
            help="Routes of this gateway: hermes-router's own commands",
            setup_fn=_describe_command,
            handler_fn=_run_command,
            description="What `hermes-router` does, inside `hermes`.",
        )


def _describe_command(parser: Any) -> None:
    from hermes_router.cli import parser as commands

    commands.add_to_hermes(parser)


def _run_command(options: Any) -> None:
    from hermes_router.cli import parser as commands

    commands.run_in_hermes(options)


def _install(module: ModuleType) -> None:
    """Install the swap; a failure switches routing off, and never ends the gateway."""
    try:
        from hermes_router.hermes import install

        install.install(module)
    except Exception:
        logger.exception("hermes-router: the dispatcher could not be swapped; routing is OFF")


def when_imported(name: str, then: Callable[[ModuleType], None]) -> None:
    """Call ``then`` with the module ``name``, now or when it has been imported."""
    module = sys.modules.get(name)
    if module is None:
        if not any(isinstance(finder, _Waiter) for finder in sys.meta_path):
            sys.meta_path.insert(0, _Waiter(name, then))
    elif getattr(module.__spec__, "_initializing", False):
        logger.error("hermes-router: %s was being imported already; routing is off", name)
    else:
        then(module)


class _Waiter(importlib.abc.MetaPathFinder):
    """Finds one module by the other finders and acts after its execution; then it is gone."""

    def __init__(self, name: str, then: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._then = then

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenLoader(spec.loader, self._then)
        return spec


class _ThenLoader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader, then: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._then = then

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._then(module)

    def __getattr__(self, name: str) -> Any:
        # Resources, source and file names of the module stay what its own loader says.
        return getattr(self._loader, name)
