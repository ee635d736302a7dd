"""A turn asks the model only after the gateway has noted that, and not at all without a gateway."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest

from hermes_router_worker.hermes import replacements
from hermes_router_worker.process.connection import CallFailed
from hermes_router_worker.session import runs
from hermes_router_worker.session.model_requests import before_model_requests
from hermes_router_worker.session.session import Session


class Function:
    """A function of Hermes that may be replaced; this Hermes lacks it if ``original`` is None."""

    def __init__(self, original: Callable[..., Any] | None) -> None:
        self.call = original

    def replace(self, wrapper: Callable[[Any], Any]) -> bool:
        if self.call is not None:
            self.call = wrapper(self.call)
        return self.call is not None


class Module(ModuleType):
    """A module of Hermes."""

    has_hook: Callable[[str], bool]


def hermes(monkeypatch: pytest.MonkeyPatch, **functions: Function) -> None:
    for name, function in functions.items():
        monkeypatch.setattr(replacements, name, function)


def no_hook(_name: str) -> bool:
    return False


@pytest.mark.parametrize("newest", [True, False])
def test_each_request_is_acted_upon_once(monkeypatch: pytest.MonkeyPatch, newest: bool) -> None:
    """The newest Hermes asks in another module, which then asks the one that older ones ask."""
    plugins, lifecycle = Module("plugins"), Module("lifecycle")
    plugins.has_hook = no_hook
    for module in (plugins, lifecycle):
        monkeypatch.setitem(sys.modules, module.__name__, module)

    def ask_plugins(name: str) -> bool:
        return plugins.has_hook(name)

    if newest:
        lifecycle.has_hook = ask_plugins
    patch = dataclasses.replace(replacements.HAS_HOOK, owner="lifecycle", formerly="plugins")
    monkeypatch.setattr(replacements, "HAS_HOOK", patch)
    hermes(monkeypatch, RUN_CODEX=Function(None))
    acts: list[int] = []
    before_model_requests(lambda: acts.append(1), applies=lambda: True)
    asks = (lifecycle if newest else plugins).has_hook
    assert [asks("pre_api_request"), asks("post_api_request"), asks("pre_api_request")] == [0, 0, 0]
    assert len(acts) == 2


def test_a_request_of_a_thread_that_runs_no_turn_is_not_acted_upon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugins, codex = Function(no_hook), Function(lambda: "done")
    hermes(monkeypatch, HAS_HOOK=plugins, RUN_CODEX=codex)
    acts: list[int] = []
    before_model_requests(lambda: acts.append(1), applies=lambda: False)
    assert not cast("Any", plugins.call)("pre_api_request")
    assert cast("Any", codex.call)() == "done"
    assert acts == []


def test_codex_is_started_after_the_act(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    codex = Function(lambda: order.append("codex"))
    hermes(monkeypatch, HAS_HOOK=Function(no_hook), RUN_CODEX=codex)
    before_model_requests(lambda: order.append("act"), applies=lambda: True)
    cast("Any", codex.call)()
    assert order == ["act", "codex"]


def test_only_the_thread_of_a_turn_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacements, "RUN_IN_EXECUTOR", SimpleNamespace(present=lambda: True))
    monkeypatch.setattr(runs, "follow", lambda *_arguments: None)
    counts = runs.Runs(None)
    assert not counts.in_turn_thread()
    assert counts._counted(counts.in_turn_thread)()
    assert not counts.in_turn_thread()


@pytest.mark.parametrize(
    "error", [CallFailed("the gateway has ended", refused=False), BrokenPipeError("it is closed")]
)
async def test_without_a_gateway_the_turn_is_cancelled(error: Exception) -> None:
    async def note_begun() -> None:
        raise error

    session = SimpleNamespace(_note_begun=note_begun, _loop=asyncio.get_running_loop())

    def ask() -> str:
        try:
            Session._asks_model(cast("Any", session))
        except asyncio.CancelledError:
            return "cancelled"
        return "asked"

    assert await asyncio.to_thread(ask) == "cancelled"
