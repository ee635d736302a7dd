"""A module of Hermes is changed when it is imported, and no other import is disturbed by that."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

import pytest

from hermes_router_worker.hermes.on_import import once_imported


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for name in ("awaited_module", "other_module"):
        (tmp_path / f"{name}.py").write_text("value = 1\n")
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


class Only:
    """Finds one module in a folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._folder = name, folder

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [str(self._folder)]) if name == self._name else None


def test_a_module_is_changed_once_when_it_is_imported(folder: Path) -> None:
    changed: list[str] = []
    sys.meta_path.append(Only("awaited_module", folder))
    once_imported("awaited_module", lambda module: changed.append(f"first {module.value}"))
    once_imported("awaited_module", lambda module: changed.append(f"second {module.value}"))
    importlib.import_module("awaited_module")
    assert sorted(changed) == ["first 1", "second 1"]


def test_an_import_during_another_one_does_not_disturb_it(folder: Path) -> None:
    """Python asks one finder after the other, and lets other threads import between two of them.

    Here a finder imports, which is the same for the list of finders.
    """
    changed: list[str] = []

    class Interrupted(Only):
        def find_spec(
            self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
        ) -> ModuleSpec | None:
            if name == "other_module":
                importlib.import_module("awaited_module")
            return None

    sys.meta_path[:0] = [Interrupted("", folder), Only("other_module", folder)]
    sys.meta_path.append(Only("awaited_module", folder))
    once_imported("awaited_module", lambda module: changed.append(module.__name__))
    assert importlib.import_module("other_module").value == 1
    assert changed == ["awaited_module"]
