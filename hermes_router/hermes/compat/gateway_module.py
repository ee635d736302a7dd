"""Waiting for the module of the gateway, whatever is imported first and in whichever thread.

Plugins are discovered in every Hermes command, before ``gateway.run`` is imported, while it is
being imported by another thread, or after that. Importing it has effects that belong in a gateway
only, and whoever imports it may be waiting for the discovery that we are called from: so it is
never imported here in the calling thread.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

Then = Callable[[ModuleType], None]

#: Seconds in which an import that had begun unseen is looked for, and between two looks.
_NET_SECONDS = 60.0
_NET_PAUSE = 0.05


def when_imported(name: str, then: Then) -> None:
    """Call ``then`` with the module ``name``, now or when it is imported; perhaps more than once.

    In another thread where the module is being imported at this moment.
    """
    module = sys.modules.get(name)
    if module is None:
        _await_import(name, then)
    elif _initializing(module):
        _in_thread(_wait_in_thread, name, then)
    else:
        then(module)


def _await_import(name: str, then: Then) -> None:
    """Wait for an import that has not begun, or that has begun and is not in sight yet."""
    if not any(isinstance(finder, _Waiter) and finder.name == name for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiter(name, then))
    if threading.current_thread() is not threading.main_thread():
        # The main thread may have asked the finders already: then ours is not asked.
        _in_thread(_catch, name, then)


def _initializing(module: ModuleType) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))


def _in_thread(target: Callable[[str, Then], None], name: str, then: Then) -> None:
    threading.Thread(
        target=target, args=(name, then), name="hermes-router-waits-for-gateway", daemon=True
    ).start()


def _wait_in_thread(name: str, then: Then) -> None:
    """Wait until whoever imports the module has done so: importing waits for its lock."""
    try:
        module = importlib.import_module(name)
    except Exception:  # noqa: BLE001 - told to whoever imports it
        return
    then(module)


def _catch(name: str, then: Then) -> None:
    """Wait for an import that passed our finder by; end when the finder was asked."""
    deadline = time.monotonic() + _NET_SECONDS
    while time.monotonic() < deadline:
        if name in sys.modules:
            _wait_in_thread(name, then)
            return
        time.sleep(_NET_PAUSE)


class _Waiter(importlib.abc.MetaPathFinder):
    """Finds one module by the other finders and acts after its execution; then it is gone."""

    def __init__(self, name: str, then: Then) -> None:
        self.name = name
        self._then = then

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        spec = _find_by_others(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenLoader(spec.loader, self._then)
        return spec


def _find_by_others(
    name: str, path: Sequence[str] | None, target: ModuleType | None
) -> importlib.machinery.ModuleSpec | None:
    """Ask the finders that are left, in their order: an installation may have one of its own."""
    for finder in tuple(sys.meta_path):
        find = getattr(finder, "find_spec", None)
        if find is None or isinstance(finder, _Waiter):
            continue
        spec: importlib.machinery.ModuleSpec | None = find(name, path, target)
        if spec is not None:
            return spec
    return None


class _ThenLoader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader, then: Then) -> None:
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
