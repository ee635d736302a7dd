"""A worker replaces a function in the module from which this version of Hermes calls it."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from hermes_router_worker.hermes.patching import MissingPoint, Patch

MOVED = Patch(owner="now", formerly="before", name="guard", why="it is a test")


@pytest.fixture(autouse=True)
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """Return the two modules of a Hermes; neither has the function yet."""
    found = {name: ModuleType(name) for name in ("now", "before")}
    for name, module in found.items():
        monkeypatch.setitem(sys.modules, name, module)
    return found


def test_a_moved_function_is_replaced_where_it_is_now(modules: dict[str, ModuleType]) -> None:
    for module in modules.values():  # the old module passes the function on
        module.guard = len  # type: ignore[attr-defined]
    assert MOVED.find() is modules["now"]
    assert MOVED.replace(lambda _: max)
    assert (modules["now"].guard, modules["before"].guard) == (max, len)
    MOVED.restore()
    assert modules["now"].guard is len


def test_a_function_that_has_not_moved_yet_is_replaced_where_it_was(
    modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    modules["before"].guard = len  # type: ignore[attr-defined]
    assert MOVED.find() is modules["before"]
    monkeypatch.delitem(sys.modules, "now")
    assert MOVED.find() is modules["before"]
    assert MOVED.described().found
    assert MOVED.replace(lambda _: max)
    assert modules["before"].guard is max


def test_a_function_that_is_in_neither_module_is_missing() -> None:
    assert not MOVED.present()
    with pytest.raises(MissingPoint, match=r"no now\.guard"):
        MOVED.replace(lambda _: max)
