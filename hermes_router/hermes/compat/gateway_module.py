"""Wait for the module ``gateway.run``, in whatever order and thread it is imported.

Hermes discovers plugins in every command: before ``gateway.run`` is imported, while another thread
imports it, or after that. Importing it has effects that belong only in a gateway. The thread that
imports it may also wait for the discovery that calls this code. So this module never imports
``gateway.run`` in the calling thread.
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

#: Seconds for which a thread looks for an import that our finder missed, and between two looks.
_NET_SECONDS = 60.0
_NET_PAUSE = 0.05


def when_imported(name: str, then: Then) -> None:
    """Call ``then`` with the module ``name``: now, or when the module is imported; do not wait.

    The plugin waits so for ``gateway.run``. ``then`` may be called more than once. If another
    thread is importing the module now, it is called in a thread of its own.
    """
    module = sys.modules.get(name)
    if module is None:
        _await_import(name, then)
    elif _initializing(module):
        _in_thread(_wait_in_thread, name, then)
    else:
        then(module)


def _await_import(name: str, then: Then) -> None:
    """Wait for an import that has not begun, or is not in ``sys.modules`` yet."""
    if not any(isinstance(finder, _Waiter) and finder.name == name for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiter(name, then))
    if threading.current_thread() is not threading.main_thread():
        # The main thread may already be past the finders: then it never asks ours.
        _in_thread(_catch, name, then)


def _initializing(module: ModuleType) -> bool:
    return bool(getattr(module.__spec__, "_initializing", False))


def _in_thread(target: Callable[[str, Then], None], name: str, then: Then) -> None:
    threading.Thread(
        target=target, args=(name, then), name="hermes-router-waits-for-gateway", daemon=True
    ).start()


def _wait_in_thread(name: str, then: Then) -> None:
    """Import the module, which waits for the import that is under way, then call ``then``."""
    try:
        module = importlib.import_module(name)
    except Exception:  # noqa: BLE001 - the importing code gets it
        return
    then(module)


def _catch(name: str, then: Then) -> None:
    """Look for an import that our finder missed; end when the module is there."""
    deadline = time.monotonic() + _NET_SECONDS
    while time.monotonic() < deadline:
        if name in sys.modules:
            _wait_in_thread(name, then)
            return
        time.sleep(_NET_PAUSE)


class _Waiter(importlib.abc.MetaPathFinder):
    """Finds one module by the other finders, runs ``then`` after its execution, and goes away."""

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
    """Ask the other finders in their order: an installation may have a finder of its own."""
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
        # Resources, source and file names of the module come from its real loader.
        return getattr(self._loader, name)
