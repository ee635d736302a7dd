"""What is to be sent waits for an adapter that Hermes connects anew, and no longer than that."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from hermes_router.hermes.compat.seams import sending

SOURCE: Any = SimpleNamespace(platform="telegram", profile=None)


class Runner:
    """As much of Hermes's gateway as says which adapters are connected."""

    def __init__(self, *, connected: bool = True, degraded: bool = False) -> None:
        self._running = True
        self._failed_platforms: dict[str, Any] = {} if connected else {"telegram": {}}
        self.adapters: dict[str, Any] = {}
        if connected:
            self.connect(degraded=degraded)

    def connect(self, *, degraded: bool = False) -> None:
        self._failed_platforms = {}
        self.adapters["telegram"] = SimpleNamespace(_send_path_degraded=degraded)

    @property
    def adapter(self) -> Any:
        return self.adapters.get("telegram")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "own_bot", lambda _source: None)
    monkeypatch.setattr(sending, "_TICK", 0.001)


async def found(runner: Runner, method: str, then: Any) -> Any:
    """Return what a method waits for; ``then`` happens while it waits."""
    results: list[Any] = []

    async def find() -> None:
        results.append(await sending.connected_adapter(runner, SOURCE, method))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(find)
            await anyio.sleep(0.05)
            assert results == [], "it did not wait"
            then(runner)
    return results[0]


@pytest.mark.parametrize("method", ["send", "edit_message", "send_document"])
async def test_a_send_waits_for_the_adapter_that_replaces_a_lost_one(method: str) -> None:
    runner = Runner(connected=False)
    assert await found(runner, method, Runner.connect) is runner.adapter is not None


async def test_a_text_waits_until_the_new_adapter_sends_again() -> None:
    def mend(runner: Runner) -> None:
        runner.adapter._send_path_degraded = False

    runner = Runner(degraded=True)
    assert await found(runner, "send", mend) is runner.adapter
    runner.connect(degraded=True)
    with anyio.fail_after(5):
        assert await sending.connected_adapter(runner, SOURCE, "edit_message") is runner.adapter


@pytest.mark.parametrize(("flag", "value"), [("_running", False), ("_draining", True)])
async def test_nothing_waits_for_a_gateway_that_stops(flag: str, *, value: bool) -> None:
    def stop(runner: Runner) -> None:
        setattr(runner, flag, value)

    assert await found(Runner(connected=False), "send", stop) is None


async def test_nothing_waits_for_a_platform_that_is_paused() -> None:
    runner = Runner(connected=False)
    runner._failed_platforms["telegram"] = {"paused": True, "next_retry": float("inf")}
    with anyio.fail_after(5):
        assert await sending.connected_adapter(runner, SOURCE) is None


async def test_nothing_waits_for_a_platform_that_hermes_has_given_up() -> None:
    runner = Runner(connected=False)
    runner._failed_platforms = {}
    with anyio.fail_after(5):
        assert await sending.connected_adapter(runner, SOURCE) is None


async def test_nothing_waits_longer_than_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_CONNECT_SECONDS", 0.05)
    with anyio.fail_after(5):
        assert await sending.connected_adapter(Runner(connected=False), SOURCE) is None


async def test_what_waited_for_another_send_waits_no_longer_than_that() -> None:
    with anyio.fail_after(5):
        long_ago = time.monotonic() - 61
        runner = Runner(connected=False)
        assert await sending.connected_adapter(runner, SOURCE, since=long_ago) is None
